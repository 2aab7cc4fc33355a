"""The log lines about what has changed: each module takes the state so far and what has happened, and gives lines."""
