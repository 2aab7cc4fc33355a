"""`python -m astra_mirror` is the command `astra-mirror`."""

from astra_mirror.cli import main

main(prog_name="astra-mirror")
