"""All decisions, as functions of values: no I/O, no clock, no randomness.

`now` and random samples are arguments, so that a decision can be tested by calling it. The import contracts in
pyproject.toml keep kopf, kubernetes, aiohttp and asyncio out of here.
"""
