"""Everything that reads from and writes to the Kubernetes API server.

The kubernetes client and Kopf are imported in this package only, and none of their exceptions leaves it.
"""
