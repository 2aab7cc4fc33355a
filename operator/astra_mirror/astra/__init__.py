"""The remote side: sends requests to Astra Control and turns every response into a value of astra_mirror.core.outcome.

httpx is imported in this package only, and none of its exceptions leaves it.
"""
