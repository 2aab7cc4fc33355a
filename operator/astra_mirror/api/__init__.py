"""The public API of the operator: its group and version, and the spec and status of each kind."""
