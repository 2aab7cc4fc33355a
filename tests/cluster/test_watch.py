"""The failure of a generator that an ended Kopf leaves open is not reported; every other failure is."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kopf import OperatorSettings
from kopf._cogs.clients.watching import infinite_watch
from kopf._cogs.structs.references import Resource

from astra_mirror.cluster.watch import report_unless_left_open


async def _own() -> AsyncIterator[None]:
    yield


def _of_kopf() -> object:
    return infinite_watch(settings=OperatorSettings(), resource=Resource("g", "v", "p"), namespace=None)


@pytest.mark.parametrize(
    ("context", "is_reported"),
    [
        ({"asyncgen": _of_kopf()}, False),
        ({"asyncgen": _own()}, True),
        ({}, True),
    ],
)
async def test_a_generator_that_is_left_open(
    context: dict[str, Any], is_reported: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the failure of a generator of Kopf's is not reported."""
    report_unless_left_open(
        asyncio.get_running_loop(),
        {"message": "an error occurred during closing", "exception": RuntimeError(), **context},
    )
    errors = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert bool(errors) is is_reported
