"""A module for each command: it asks the API server, lets `kubectl/core/` decide, and prints."""
