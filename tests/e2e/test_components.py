"""Each component runs, also one whose absence would show only after days: as more memory, or as a missed object."""

import signal
from pathlib import Path
from typing import Final

from dev.controlplane import ControlPlane
from dev.soak.process import Build, Process

_TASKS: Final = {
    "_Operator._lead",
    "_Operator._release_secrets",
    "_Operator._forget_unused",
    "_return_memory",
    "Availability.run",
    "Components.lead",
    "Engine._poll",
    "Engine.take_in",
    "EventRecorder.run",
    "NamespaceLimit.run",
    "PeriodicList.run",
    "SecretStore.run",
    "Watch.run",
}


def test_each_component_has_its_task(installed: ControlPlane, tmp_path: Path) -> None:
    """By the names of the coroutines."""
    kubeconfig = installed.kubeconfig_for("astra-mirror-system", "astra-mirror")
    operator = Process(Build(), kubeconfig, 0, ["--leader-elect"], tmp_path / "operator.log")
    try:
        operator.until_ready()
        use = operator.use(with_tasks=True)
        assert use is not None
        assert use.tasks is not None
        assert _TASKS - set(use.tasks) == set(), sorted(use.tasks)
    finally:
        operator.end(signal.SIGKILL)
