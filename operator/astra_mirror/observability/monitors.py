"""The gauge of monitors, which have no state of a backup by which they could be told apart."""

from collections.abc import Callable, Collection, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily

from astra_mirror.observability.metrics import ObjectsCollector


class MonitorsCollector(ObjectsCollector):
    """The number of monitors.

    Args:
        monitors: the monitors.
    """

    def __init__(self, monitors: Callable[[], Collection[str]]) -> None:
        super().__init__("monitor", "AppBackupMonitors", lambda: iter(()))
        self._monitors = monitors

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Their number."""
        yield GaugeMetricFamily("astra_mirror_monitors", "AppBackupMonitors", value=len(self._monitors()))
