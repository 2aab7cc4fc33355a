"""What a kubeconfig consists of is in regular files: to read a pipe would block the event loop, perhaps for ever."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any, Final

import pytest

from astra_mirror.cluster.credentials import Credentials
from astra_mirror.cluster.kubeconfig import ClusterConfig, ClusterConfigError, load_configuration
from astra_mirror.observability.hidden_values import HiddenValues

_WORDS: Final = "is a directory, pipe or device: write the content to a regular file, because it is read again at each"
_PATHS: Final = [
    ({"certificate-authority": "file"}, {}),
    ({}, {"tokenFile": "file"}),
    ({}, {"tokenFile": "file", "token": "of-the-kubeconfig"}),
    ({}, {"client-certificate": "file", "client-key-data": "QUJD"}),
    ({}, {"client-certificate-data": "QUJD", "client-key": "file"}),
]


def _content(cluster: dict[str, Any], user: dict[str, Any]) -> str:
    return json.dumps(
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": "https://kube.example"} | cluster}],
            "users": [{"name": "a", "user": user}],
        }
    )


@contextmanager
def _pipe(path: Path, content: str = "content") -> Iterator[None]:
    """A named pipe with this content, whose end comes after some seconds."""
    os.mkfifo(path)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_NONBLOCK), "wb", 0) as writer:
        writer.write(content.encode())
        end = Timer(3.0, writer.close)
        end.start()
        try:
            yield
        finally:
            end.cancel()


async def test_a_kubeconfig_that_is_a_named_pipe(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is an error at the start, and at a renewal one log line."""
    path = tmp_path / "config"
    load = partial(load_configuration, {"KUBECONFIG": str(path)})
    first = ClusterConfig("https://kube.example", "Bearer old", None, False, None, None, None, True, None, None)
    credentials = Credentials(first, load, lambda _: None, HiddenValues())
    with _pipe(path, _content({}, {"token": "new"})), caplog.at_level(logging.WARNING):
        with pytest.raises(ClusterConfigError, match=f"{path} cannot be read: it {_WORDS}"):
            await load()
        assert not await credentials._renew(first)
    [line] = [each.getMessage() for each in caplog.records]
    assert f"{path} cannot be read: it {_WORDS}" in line


async def test_process_substitution() -> None:
    """It is an error at the start: there would be nothing to read at a renewal."""
    reader, writer = os.pipe()
    os.write(writer, _content({}, {"token": "t"}).encode())
    os.close(writer)
    with pytest.raises(ClusterConfigError, match=f"/dev/fd/{reader} cannot be read: it {_WORDS}"):
        await load_configuration({"KUBECONFIG": f"/dev/fd/{reader}"})
    os.close(reader)


@pytest.mark.parametrize("path", ["/dev/null", "/"])
async def test_a_device_and_a_directory(path: str) -> None:
    """The same."""
    with pytest.raises(ClusterConfigError, match=f"{path} cannot be read: it {_WORDS}"):
        await load_configuration({"KUBECONFIG": path})


@pytest.mark.parametrize(("cluster", "user"), _PATHS)
async def test_a_file_of_an_entry_that_is_a_pipe(cluster: dict[str, Any], user: dict[str, Any], tmp_path: Path) -> None:
    """The error names the field and its entry."""
    (tmp_path / "config").write_text(_content(cluster, user))
    [key] = [name for name, value in (cluster | user).items() if value == "file"]
    with (
        _pipe(tmp_path / "file"),
        pytest.raises(ClusterConfigError, match=rf"the {key} of the (cluster|user) 'a' in {tmp_path}/config {_WORDS}"),
    ):
        await load_configuration({"KUBECONFIG": str(tmp_path / "config")})


@pytest.mark.parametrize(("cluster", "user"), _PATHS)
async def test_a_symbolic_link_to_a_file(cluster: dict[str, Any], user: dict[str, Any], tmp_path: Path) -> None:
    """It is followed, and so is one to a folder: the kubelet mounts Secrets in this way."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "file").write_text("content")
    (tmp_path / "1" / "config").write_text(_content(cluster, user))
    (tmp_path / "data").symlink_to("1")
    for name in ("file", "config"):
        (tmp_path / name).symlink_to(f"data/{name}")
    found = await load_configuration({"KUBECONFIG": str(tmp_path / "config")})
    used = {found.authorization, found.ca_file, found.cert_file, found.key_file}
    assert used & {"Bearer content", str(tmp_path / "file")}
