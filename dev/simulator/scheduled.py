"""The simulator's state with schedules, which take backups by a clock that can be moved."""

import time
from collections.abc import Callable

from dev.simulator.model import Document, Life, Scenario
from dev.simulator.schedules import Run, Schedule, WallClock
from dev.simulator.store import DEFAULT_ACCOUNT, DEFAULT_APP, Backup, Store


class ScheduledStore(Store):
    """A store whose backups may be those of schedules as well.

    Attributes:
        wall_clock: the time by which schedules take them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.wall_clock = WallClock()
        self._schedules: dict[tuple[str, str, Schedule], set[str]] = {}

    def add_schedule(self, schedule: Schedule, *, account: str = DEFAULT_ACCOUNT, app: str = DEFAULT_APP) -> None:
        """Let a schedule take backups."""
        with self.lock:
            self._schedules[account, app, schedule] = set()
            self._catch_up()

    def of_app(self, account: str, app: str | None) -> list[Backup]:
        """The backups of an app, or of the whole account, as they are by now."""
        with self.lock:
            self._catch_up()
            return super().of_app(account, app)

    def _catch_up(self) -> None:
        """Add the backups that schedules have taken, and remove those that they no longer keep."""
        now = self.wall_clock()
        for (account, app, schedule), known in self._schedules.items():
            runs = {each.id: each for each in schedule.runs(now)}
            for run in runs.values():
                if run.id not in known:
                    scenario = _scenario(schedule, run, self.wall_clock)
                    self.add_backup(scenario, account=account, app=app, id=run.id, name=run.name)
            for backup_id in known - set(runs):
                del self.backups[account, app, backup_id]
                del self._of_accounts[account][app, backup_id]
            self._schedules[account, app, schedule] = set(runs)


def _scenario(schedule: Schedule, run: Run, clock: WallClock) -> Scenario:
    def scenario(_life: Life, _age: float) -> Document | None:
        return schedule.document(run, clock())

    return scenario
