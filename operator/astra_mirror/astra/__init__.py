"""The remote side: sends requests to Astra Control and turns every response into a value of astra_mirror.core.outcome.

No exception of aiohttp leaves this package.
"""
