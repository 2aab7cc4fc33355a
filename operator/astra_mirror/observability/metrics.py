"""The metrics, defined in one place.

No label takes its values from tenants or from the remote, so that the number of series is bounded.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final, TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from astra_mirror.core.backup import DOCUMENTED_STATES
from astra_mirror.core.circuit import State
from astra_mirror.core.reachability import Reach

Metric = TypeVar("Metric", Counter, Histogram)

OBSERVATIONS: Final = Counter(
    "astra_mirror_observations_total", "Polls that have ended, by reason of Synced", ["kind", "result"]
)
REMOTE_REQUESTS: Final = Counter(
    "astra_mirror_remote_requests_total", "Requests to Astra Control, by HTTP status code", ["endpoint", "code"]
)
REMOTE_REQUEST_SECONDS: Final = Histogram(
    "astra_mirror_remote_request_seconds", "Duration of requests to Astra Control, in seconds", ["endpoint"]
)
STATUS_PATCHES: Final = Counter("astra_mirror_status_patches_total", "Writes to the API server", ["kind", "result"])
POLL_LATENESS: Final = Histogram(
    "astra_mirror_poll_lateness_seconds",
    "How long after it was due a poll started, in seconds",
    ["kind"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
QUOTA_REFUSALS: Final = Counter(
    "astra_mirror_quota_refusals_total", "What a bound for tenants has refused, by bound", ["kind"]
)
for _kind in ("secret_names", "watches", "bodies", "events"):
    # Create each series at the start: rate() ignores the first value of a series that appears later.
    QUOTA_REFUSALS.labels(_kind)
APISERVER_UP: Final = Gauge(
    "astra_mirror_apiserver_up", "1 while the API server answers; 0 while it is away, and until its first answer"
)
BUILD_INFO: Final = Gauge("astra_mirror_build_info", "1, with the operator's version", ["version"])
LEADER: Final = Gauge("astra_mirror_leader", "1 while this process polls: it holds the Lease, or needs none")


@cache
def series(metric: Metric, *labels: str) -> Metric:
    """The series of `metric` with these labels: looking it up each time takes longer than counting."""
    return metric.labels(*labels)


class _Registered(Collector):
    """A collector that can be added to /metrics."""

    def register(self) -> None:
        """Add the metrics to /metrics."""
        REGISTRY.register(self)

    def unregister(self) -> None:
        """Undo `register`."""
        REGISTRY.unregister(self)


class ObjectsCollector(_Registered):
    """A gauge computed from the objects of one kind when /metrics is read.

    Args:
        label: what one of them is called in the metric's name.
        several: what they are called in its help text.
        states: the state of each.
    """

    def __init__(self, label: str, several: str, states: Callable[[], Iterable[str | None]]) -> None:
        self._name = f"astra_mirror_{label}s"
        self._help = f"{several} by the backup's state"
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Their number by state."""
        objects = GaugeMetricFamily(self._name, self._help, labels=["state"])
        for state, number in sorted(Tally(map(_label, self._states())).items()):
            objects.add_metric([state], number)
        yield objects


class EngineCollector(_Registered):
    """Gauges computed from the engine's state when /metrics is read."""

    def __init__(
        self,
        open_breakers: Callable[[], int],
        connections: Callable[[], Mapping[State, int]],
        reachability: Callable[[], Mapping[Reach, int]],
        pending: Callable[[], tuple[int, float]],
    ) -> None:
        self._open_breakers = open_breakers
        self._connections = connections
        self._reachability = reachability
        self._pending = pending

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The number of open breakers, of connections by state and by reach, and of statuses that wait."""
        yield GaugeMetricFamily(
            "astra_mirror_breakers_open", "Breakers that hold requests back", value=self._open_breakers()
        )
        connections = GaugeMetricFamily(
            "astra_mirror_connections", "Connections to Astra Control by the state of their breaker", labels=["state"]
        )
        numbers = self._connections()
        for each in State:
            connections.add_metric([each], numbers.get(each, 0))
        yield connections
        reachability = GaugeMetricFamily(
            "astra_mirror_reachability", "Connections on which Astra Control answers, or does not", labels=["state"]
        )
        reached = self._reachability()
        for reach in Reach:
            reachability.add_metric([reach], reached.get(reach, 0))
        yield reachability
        number, seconds = self._pending()
        yield GaugeMetricFamily(
            "astra_mirror_status_pending", "Statuses that differ from what they should be, and wait", value=number
        )
        yield GaugeMetricFamily(
            "astra_mirror_status_oldest_pending_seconds", "For how long the oldest of them has waited", value=seconds
        )


class SecretsCollector(_Registered):
    """A gauge computed from the Secrets in use when /metrics is read."""

    def __init__(self, results: Callable[[], Iterable[str]]) -> None:
        self._results = results

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The number of Secrets by result."""
        secrets = GaugeMetricFamily(
            "astra_mirror_secrets", "Secrets in use: ok, or the reason of Synced that refs show", labels=["result"]
        )
        for result, number in sorted(Tally(self._results()).items()):
            secrets.add_metric([result], number)
        yield secrets


def _label(state: str | None) -> str:
    if state is None:
        return "none"
    # The remote may send any string as a state, which must not become a label.
    return state if state in DOCUMENTED_STATES else "other"
