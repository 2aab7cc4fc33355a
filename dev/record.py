"""Records the demo as the README's picture: `python -m dev.record docs/demo.svg`, with what really was printed."""

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


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
    svg = console.export_svg(title="make demo")
    # A picture must not fetch anything: the viewer's own monospace font will do.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, ", ""))


if __name__ == "__main__":
    main()
