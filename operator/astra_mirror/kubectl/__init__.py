"""The kubectl plugin `kubectl abr`: a program of its own, which the operator neither needs nor imports.

It has to start at once, so it imports neither Kopf, nor the Kubernetes client library, nor pydantic, nor the engine.
"""
