"""`kubectl abr`, the script `kubectl-abr`. Without its extra it says which one, before anything else is imported."""

import sys
from importlib.util import find_spec

_USAGE = 64


def main() -> None:
    """Run what the command line says."""
    if find_spec("rich") is None:
        sys.exit(_without_extra())
    # Imported only now: without the extra the import would fail.
    from astra_mirror.kubectl.command_line import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))


def complete() -> None:
    """Print what the last word of the command line may become, for kubectl; nothing where the extra is missing."""
    if find_spec("rich") is not None:
        # As above.
        from astra_mirror.kubectl.completion import run  # noqa: PLC0415

        run(sys.argv[1:])


def _without_extra() -> int:
    sys.stderr.write(
        "kubectl-abr: the extra `kubectl` of astra-mirror is not installed: "
        "in a clone of it, type pipx install '.[kubectl]'\n"
    )
    return _USAGE
