"""What the plugin decides, as functions of values: what has become of a ref, what to exit with, what to advise.

No module here does I/O, reads a clock or knows a terminal: the time is an argument.
"""
