"""The cluster side: what is read from and written to the Kubernetes API server, apart from Kopf's watch.

The client library stays inside this package; what it raises is turned into values here.
"""
