"""The loop: the state of each object, when it is polled, by which requests, and when its status is written.

Decisions that need no engine state are pure functions in core/. Astra Control and the API server are reached through
engine.ports only.
"""
