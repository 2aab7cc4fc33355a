"""The demo's second part: a monitor of an app with a schedule, whose objective is met, missed, and met again."""

from datetime import timedelta
from typing import Final

import yaml

from dev.demo_cluster import Cluster
from dev.simulator import Simulator, over_days
from dev.simulator.model import uuid_of

_APP: Final = uuid_of("app with a schedule")
_NAME: Final = "shop"
_AGE: Final = timedelta(seconds=40)
"""How old the newest backup is when the monitor is made: the objective is met for twenty seconds more."""


def play_monitor(cluster: Cluster, astra: Simulator, namespace: str) -> None:
    """Show a monitor whose objective is met, then missed because time passes, and met again by another backup."""
    now = astra.wall_clock() - _AGE
    astra.add_schedule(over_days("nightly", days=200, now=now, keep=90, seconds=5), app=_APP)
    spec = {
        "accountID": astra.account,
        "appID": _APP,
        "interval": "10s",
        "objectives": [{"name": "recent", "maxAge": "1m"}],
        "mirror": {"newest": 3, "interval": "2s"},
    }
    metadata = {"name": _NAME, "namespace": namespace}
    manifest = {"apiVersion": "astra-mirror.io/v1", "kind": "AppBackupMonitor", "metadata": metadata, "spec": spec}
    print(f"\n$ kubectl apply -f -\n{yaml.safe_dump(manifest, sort_keys=False)}", end="", flush=True)
    cluster.apply(manifest)
    cluster.show("wait", "--for=condition=ObjectivesMet", f"abm/{_NAME}", "--timeout=10s")
    cluster.show("wait", "--for=condition=ObjectivesMet=False", f"abm/{_NAME}", "--timeout=60s")
    cluster.show("get", "abm", "-o", "wide")
    backup = astra.add_backup("completes", app=_APP, seconds=3, name="by-hand")
    backup.set(backupCreationTimestamp=astra.wall_clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
    cluster.show("wait", "--for=condition=ObjectivesMet", f"abm/{_NAME}", "--timeout=60s")
    cluster.show("get", "abm")
    cluster.show("get", "abr", "-l", f"astra-mirror.io/monitor={_NAME}")
