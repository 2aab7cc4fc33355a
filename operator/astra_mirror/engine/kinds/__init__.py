"""The kinds of object that the engine manages. `kind` says what it asks of each; every other module is one kind."""
