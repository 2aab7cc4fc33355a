"""Records the demo as the README's picture: `python -m dev.record docs/demo.svg`, with what really was printed."""

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dev.pictures import write_picture


def main() -> None:
    """Run the demo, show it, and write the picture."""
    target = Path(sys.argv[1])
    console = Console(record=True, width=118, force_terminal=True)
    command = [sys.executable, "-m", "dev.demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        for line in demo.stdout or ():
            style = "bold green" if line.startswith("$") else "dim" if line.startswith("==") else ""
            console.print(Text(line.rstrip()[:118], style=style))
    if demo.returncode:
        sys.exit("the demo failed: no picture was written")
    write_picture(target, console, "make demo")


if __name__ == "__main__":
    main()
