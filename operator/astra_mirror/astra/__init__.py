"""The remote side: asks Astra Control and turns every possible answer into a value of astra_mirror.core.outcome.

httpx and aiohttp's client stay inside this package.
"""
