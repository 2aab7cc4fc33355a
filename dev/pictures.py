"""Pictures of terminals, for the README."""

import re
from pathlib import Path

from rich.console import Console


def write_picture(target: Path, console: Console, title: str) -> None:
    """Write what was printed on a recording console as an SVG that fetches nothing."""
    svg = console.export_svg(title=title)
    # The viewer's own monospace font will do.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, ", ""))
