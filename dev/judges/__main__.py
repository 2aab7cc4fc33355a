"""`python -m dev.judges` builds the tools, if nobody has, and prints the folder with them."""

import sys

from dev.gobuild import ToolchainError
from dev.judges import crds, folder

try:
    crds.folder()
    print(folder())
except ToolchainError as error:
    sys.exit(f"judges: {error}")
