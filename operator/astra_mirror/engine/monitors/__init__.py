"""What monitors need beside their kind: the last lists, the deadlines, and the refs that they make."""
