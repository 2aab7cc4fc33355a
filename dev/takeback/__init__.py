"""Reverts old fixes to check that the soak still finds what they fixed. See `python -m dev.takeback --help`."""
