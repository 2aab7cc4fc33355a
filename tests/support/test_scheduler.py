"""Time is one seam: the loop's clock, and one module that sets timers and is told of the ends of tasks."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import astra_mirror
from astra_mirror.support.scheduler import Timer, monotonic, spawn

PACKAGE = Path(astra_mirror.__file__).parent
OF_THE_SCHEDULER = {"call_later", "call_at", "call_soon", "add_done_callback"}


async def test_a_timer_runs_at_the_earliest_of_its_times() -> None:
    """Once; after that it may be set again."""
    runs: list[float] = []
    timer = Timer(lambda: runs.append(monotonic()))
    for when in (7.0, 5.0, 6.0):
        timer.set(when)
    await asyncio.sleep(10)
    assert runs == [5.0]
    timer.set(monotonic())
    await asyncio.sleep(1)
    assert runs == [5.0, 10.0]


async def test_a_timer_that_is_cancelled_does_not_run() -> None:
    """Unless it is set anew."""
    runs: list[float] = []
    timer = Timer(lambda: runs.append(monotonic()))
    timer.cancel()
    timer.set(5.0)
    timer.cancel()
    await asyncio.sleep(10)
    assert runs == []
    timer.set(12.0)
    await asyncio.sleep(10)
    assert runs == [12.0]


async def test_the_end_of_a_task_is_told_however_it_ends() -> None:
    """Also when it is cancelled before it has begun."""
    ended: list[asyncio.Task[int]] = []

    async def work(number: int) -> int:
        return 1 // number

    tasks = [spawn(work(number), ended.append) for number in (1, 0, 1)]
    tasks[2].cancel()
    await asyncio.sleep(1)
    assert set(ended) == set(tasks)
    assert tasks[0].result() == 1
    assert isinstance(tasks[1].exception(), ZeroDivisionError)
    assert tasks[2].cancelled()


def _attributes(*folders: str) -> Iterator[tuple[str, ast.Attribute]]:
    """Each attribute that a module names, with the module."""
    for folder in folders:
        for file in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute):
                    yield file.relative_to(PACKAGE).as_posix(), node


def test_timers_and_the_ends_of_tasks_are_the_schedulers() -> None:
    """No other module names what sets them."""
    found = {(module, each.attr) for module, each in _attributes("") if each.attr in OF_THE_SCHEDULER}
    assert {module for module, _ in found} == {"support/scheduler.py"}
    assert {name for _, name in found} == OF_THE_SCHEDULER - {"call_later"}


def test_the_engine_starts_tasks_in_groups_or_by_the_scheduler() -> None:
    """So that nobody's end goes unnoticed."""
    starts = [each.value for _, each in _attributes("engine", "support/time_slices.py") if each.attr == "create_task"]
    assert {ast.unparse(each) for each in starts} <= {"tasks"}


def test_the_engine_tells_the_time_by_the_loop() -> None:
    """Neither it nor what it shares the loop with reads another clock."""
    clocks = {
        (module, ast.unparse(each))
        for module, each in _attributes("engine", "support")
        if ast.unparse(each) in {"time.monotonic", "time.time", "datetime.now", "loop.time"}
    }
    assert clocks == set()
