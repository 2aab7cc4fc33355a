"""Mirrors NetApp Astra Control backups into the status of Kubernetes objects."""
