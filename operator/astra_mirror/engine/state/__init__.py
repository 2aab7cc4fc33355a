"""The state of one object, in groups. Each group is a named tuple, which only its own module replaces."""
