"""The state of one object, in groups. Each group is a frozen dataclass; only its own module replaces it."""
