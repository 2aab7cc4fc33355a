"""A raw client of the API server: what a bare client costs is what the operator is measured against."""

import base64
import ssl
from pathlib import Path

import aiohttp
import yaml


def session(kubeconfig: Path) -> aiohttp.ClientSession:
    """A session for the API server that a kubeconfig of the test control plane names."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return aiohttp.ClientSession(
        cluster["server"],
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority), limit=0),
        headers={"Authorization": f"Bearer {user['token']}"},
    )
