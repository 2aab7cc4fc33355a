"""What remains without our code: the libraries, one Kopf watch, and requests of raw clients. Each module is a process.

A budget that cannot be had is held to what these cost. They have the operator's settings where it has its own, because
a floor that could be lower is none.
"""
