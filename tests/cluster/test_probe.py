"""What the probe finds out about the API server, and what the start of the operator waits for."""

import asyncio

import aiohttp
import pytest

from astra_mirror.api.app_backup_ref import NAMES
from astra_mirror.cluster.availability import Availability
from astra_mirror.cluster.probe import NotUsableError, Probe, wait_for_cluster

_STATUS = b'{"kind": "Status", "apiVersion": "v1", "message": "the reason"}'


class _Endpoint:
    """An API server with a list of responses, the last of which repeats."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def get(self, path: str, *, accept: str = "", seconds: float) -> tuple[int, bytes]:
        """The next response."""
        del accept, seconds
        self.paths.append(path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((200, b"{}"), None),
        ((404, _STATUS), None),
        ((404, b"404 page not found"), None),
        ((401, _STATUS), None),
        ((403, _STATUS), None),
        ((500, _STATUS), "500 the reason"),
        ((503, b"<html>"), "503"),
        ((429, b""), "429"),
        (TimeoutError(), "no response within 5s"),
        (aiohttp.ClientConnectionError("refused"), "refused"),
        (ConnectionResetError("reset"), "reset"),
    ],
)
async def test_what_counts_as_away(answer: tuple[int, bytes] | Exception, failure: str | None) -> None:
    """No connection, a 5xx, a 429 and a time-out mean that the API server is away; other responses do not."""
    assert await Probe(_Endpoint(answer), NAMES, ())() == failure


async def test_what_is_asked_for() -> None:
    """The probe requests one object that does not exist, in a namespace that the operator may read."""
    for namespaces, namespace in (((), "default"), (("shop", "other"), "shop")):
        endpoint = _Endpoint((404, _STATUS))
        await Probe(endpoint, NAMES, namespaces)()
        path = f"/apis/astra-mirror.io/v1/namespaces/{namespace}/appbackuprefs/astra-mirror-probe"
        assert endpoint.paths == [path]


async def test_a_refusal_just_after_the_return() -> None:
    """After an outage a 403 counts as away for a moment; from the start it does not."""
    probe = Probe(_Endpoint((503, b""), (403, _STATUS), (403, _STATUS), (404, _STATUS), (403, _STATUS)), NAMES, ())
    assert [await probe() for _ in range(5)] == [
        "503",
        "403 just after its return",
        "403 just after its return",
        None,
        None,
    ]


@pytest.mark.virtual
async def test_the_start_waits_for_an_api_server_that_is_away() -> None:
    """The start waits in each namespace until the API server is available."""
    endpoint = _Endpoint(TimeoutError(), (503, b""), (200, b"{}"))
    async with asyncio.timeout(10):
        await wait_for_cluster(endpoint, Availability(), NAMES, ["one", "two"])
    assert [path.split("/")[5] for path in endpoint.paths] == ["one", "one", "one", "two"]


async def test_the_start_without_the_crd() -> None:
    """A missing CRD is reported at once."""
    with pytest.raises(NotUsableError, match=r"apply crds/appbackupref\.yaml"):
        await wait_for_cluster(_Endpoint((404, b"404 page not found")), Availability(), NAMES, ())
