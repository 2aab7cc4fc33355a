"""`python -m dev.helm` builds helm, if nobody has, and prints where it is."""

import sys

from dev.gobuild import ToolchainError
from dev.helm import binary

try:
    print(binary())
except ToolchainError as error:
    sys.exit(f"helm: {error}")
