"""kube-state-metrics and Prometheus as processes: the real programs, with the configuration that is shipped."""

import json
import os
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from dev.judges import folder

MONITORING: Final = Path("manifests/monitoring")
_PAUSE: Final = 0.1
_TRIES: Final = 600

Sample = tuple[dict[str, str], float]
"""The labels of a series, and its value."""


def get(address: str) -> str:
    """The body of a GET; empty while the program does not answer, or refuses."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@contextmanager
def kube_state_metrics(kubeconfig: Path, log: Path, **environment: str) -> Iterator[str]:
    """The address of its metrics."""
    port, telemetry = _free_ports(2)
    command = [
        str(folder() / "kube-state-metrics"),
        f"--kubeconfig={kubeconfig}",
        "--resources=leases",
        f"--custom-resource-state-config-file={MONITORING / 'kube-state-metrics.yaml'}",
        "--host=127.0.0.1",
        f"--port={port}",
        "--telemetry-host=127.0.0.1",
        f"--telemetry-port={telemetry}",
    ]
    with _process(command, log, environment):
        yield f"http://127.0.0.1:{port}/metrics"


class Prometheus:
    """A running Prometheus.

    Args:
        address: HOST:PORT.
        log: where it logs, for the message when something has not come.
    """

    def __init__(self, address: str, log: Path) -> None:
        self._address, self._log = address, log

    def query(self, expr: str) -> list[Sample]:
        """What an instant query returns now; nothing until Prometheus is ready."""
        answer = get(f"http://{self._address}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
        result = json.loads(answer)["data"]["result"] if answer else []
        return [(each["metric"], float(each["value"][1])) for each in result]

    def until(self, expr: str, holds: Callable[[list[Sample]], object] = bool) -> list[Sample]:
        """What the query returns once that holds; Prometheus tells nobody when it has scraped.

        Raises:
            AssertionError: it has not come to hold within a minute.
        """
        pause = threading.Event()
        found: list[Sample] = []
        for _ in range(_TRIES):
            found = self.query(expr)
            if holds(found):
                return found
            pause.wait(_PAUSE)
        raise AssertionError(f"{expr}: {found}\n{self._log.read_text()[-2000:]}")


@contextmanager
def prometheus(scratch: Path, operator: str, objects: str, rules: Mapping[str, Any]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes both each second.

    Args:
        scratch: for its files.
        operator: HOST:PORT of the operator.
        objects: the address of the metrics of kube-state-metrics.
        rules: a rules file.
    """
    target = urllib.parse.urlsplit(objects).netloc
    jobs = [
        {"job_name": "astra-mirror", "static_configs": [{"targets": [operator]}]},
        {"job_name": "kube-state-metrics", "honor_labels": True, "static_configs": [{"targets": [target]}]},
    ]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": jobs,
    }
    (scratch / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (scratch / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
    [port] = _free_ports(1)
    command = [
        str(folder() / "prometheus"),
        f"--config.file={scratch / 'prometheus.yaml'}",
        f"--storage.tsdb.path={scratch / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with _process(command, scratch / "log", {}):
        yield Prometheus(f"127.0.0.1:{port}", scratch / "log")


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _process(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    env = os.environ | environment
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=env) as process:
        try:
            yield
        finally:
            process.terminate()
