"""A failure that nobody handles is logged without what its exception quotes, unless Kopf has left it behind."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import kopf
import pytest
from kopf._cogs.clients.scanning import read_version
from kopf._cogs.clients.watching import infinite_watch
from kopf._cogs.structs.references import Resource

from astra_mirror.observability.unhandled import report_unless_left_by

_TOKEN: Final = "a-token-of-the-operator"


class _QuotingError(Exception):
    """As aiohttp's: its repr has more than its text."""

    def __repr__(self) -> str:
        return f"_QuotingError({_TOKEN})"


@pytest.fixture(autouse=True)
async def _handler() -> None:
    asyncio.get_running_loop().set_exception_handler(partial(report_unless_left_by, Path(kopf.__file__).parent))


async def _own() -> AsyncIterator[None]:
    yield


def _of_kopf() -> object:
    return infinite_watch(settings=kopf.OperatorSettings(), resource=Resource("g", "v", "p"), namespace=None)


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("context", "is_reported"), [({"asyncgen": _of_kopf()}, False), ({"asyncgen": _own()}, True), ({}, True)]
)
async def test_a_generator_that_is_left_open(
    context: dict[str, Any], is_reported: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the failure of a generator of Kopf's is not reported."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "an error occurred during closing", "exception": RuntimeError(), **context}
    )
    assert _errors(caplog) == ["an error occurred during closing"] * is_reported


async def _fail() -> None:
    raise _QuotingError("words")


def _scan() -> Coroutine[Any, Any, object]:
    return read_version(settings=kopf.OperatorSettings(), logger=logging.getLogger("kopf"))


@pytest.mark.parametrize(("work", "reported"), [(_fail, ["Task exception was never retrieved"]), (_scan, [])])
async def test_a_task_whose_failure_nobody_retrieves(
    work: Any, reported: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """As Kopf's two scans of the API server leave one behind when the other fails."""
    caplog.set_level(logging.DEBUG)
    task = asyncio.ensure_future(work())
    await asyncio.wait([task])
    del task
    gc.collect()
    assert _errors(caplog) == reported
    assert caplog.records
    assert _TOKEN not in caplog.text


async def test_a_report_without_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    """In the words of asyncio."""
    asyncio.get_running_loop().call_exception_handler({"message": "a connection was left open"})
    assert _errors(caplog) == ["a connection was left open"]


async def _wait_in_vain() -> None:
    await asyncio.get_running_loop().create_future()


def _scan_in_vain(monkeypatch: pytest.MonkeyPatch) -> Coroutine[Any, Any, object]:
    """Kopf's scan, whose request is never answered."""

    async def get(*_: object, **__: object) -> None:
        await _wait_in_vain()

    monkeypatch.setattr("kopf._cogs.clients.api.get", get)
    return _scan()


@pytest.mark.parametrize("is_of_kopf", [True, False])
async def test_a_task_that_is_destroyed_while_it_waits(
    is_of_kopf: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kopf leaves the rest of its scan behind when it is stopped in the middle of one."""
    task = asyncio.ensure_future(_scan_in_vain(monkeypatch) if is_of_kopf else _wait_in_vain())
    await asyncio.sleep(0)
    del task
    gc.collect()
    assert len(_errors(caplog)) == (0 if is_of_kopf else 1)
