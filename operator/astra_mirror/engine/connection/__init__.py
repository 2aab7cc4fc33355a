"""The requests of one connection: which of them start, which wait, and which are held back by circuit breakers."""
