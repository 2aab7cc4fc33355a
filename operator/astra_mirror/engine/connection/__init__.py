"""The requests of one connection: which start, which wait, and what circuit breakers hold back."""
