"""The kinds of object that the engine looks after. `kind` says what it asks of each; every other module is one kind."""
