"""The file of --ca-file: what it may be, and what happens when it changes."""

import asyncio
import errno
import logging
import os
from pathlib import Path

import pytest
import trustme

from astra_mirror.support.ca_file import MAX_BYTES, CAFile, CAFileError, read_ca_file

ONE, OTHER = (trustme.CA().cert_pem.bytes() for _ in range(2))


def _texts(*pems: bytes) -> tuple[str, ...]:
    return tuple(each.decode().strip() for each in pems)


def _has_changed(file: CAFile) -> bool:
    return asyncio.run(file.has_changed())


def test_what_counts_in_it(tmp_path: Path) -> None:
    """The certificates, whatever stands between them, in whatever character set."""
    path = tmp_path / "ca.pem"
    path.write_bytes(b"# Beh\xf6rde\r\n" + ONE + b"\n-----BEGIN X-----\n" + OTHER + b"the end\n")
    assert read_ca_file(str(path)) == _texts(ONE, OTHER)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no certificate in PEM format"),
        (b"-----BEGIN PRIVATE KEY-----\n", "has no certificate in PEM format"),
        (ONE.replace(b"M", b"N", 1), r"certificate 1 in .*ca\.pem cannot be read: copy it there anew, as PEM"),
        (ONE + OTHER[:-9], r"certificate 2 in .*ca\.pem cannot be read"),
        (ONE + b"#" * MAX_BYTES, "has more than 1024 KiB: keep only the authorities that are needed"),
    ],
)
def test_what_is_of_no_use(content: bytes, words: str, tmp_path: Path) -> None:
    """The error has the file and what is wrong with it."""
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(CAFileError, match=words) as caught:
        CAFile(str(path))
    assert str(path) in str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe would block the process for ever, and cannot be read twice."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ""):
        with pytest.raises(CAFileError, match="is a directory, pipe or device: name a regular file"):
            read_ca_file(str(tmp_path / name))
    with pytest.raises(CAFileError, match=f"missing cannot be read: {os.strerror(errno.ENOENT)}"):
        read_ca_file(str(tmp_path / "missing"))
    with pytest.raises(CAFileError, match="it is empty: name a file"):
        read_ca_file("")
    with pytest.raises(CAFileError, match="the path has a character that no path may have"):
        read_ca_file("\0")


def test_a_changed_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other content counts, in the same file or behind a symbolic link, as a ConfigMap is mounted; one line says so."""
    caplog.set_level(logging.INFO)
    (tmp_path / "one").write_bytes(ONE)
    (tmp_path / "two").write_bytes(ONE + OTHER)
    path = tmp_path / "ca.pem"
    path.symlink_to("one")
    file = CAFile(str(path))
    assert not _has_changed(file)
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(path)
    assert _has_changed(file)
    assert not _has_changed(file)
    assert file.certificates == _texts(ONE, OTHER)
    (tmp_path / "two").write_bytes(OTHER)
    assert _has_changed(file)
    assert file.certificates == _texts(OTHER)
    assert [each.getMessage() for each in caplog.records] == [
        f"--ca-file: {path} has changed; the number of certificates in it is {number}" for number in (2, 1)
    ]


def test_a_comment_is_no_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No connection is closed for it, and nothing is logged."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "ca.pem"
    path.write_bytes(ONE)
    file = CAFile(str(path))
    path.write_bytes(b"# mine\n" + ONE)
    assert not _has_changed(file)
    assert not caplog.records


def test_a_file_that_can_no_longer_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Half written, or gone for a moment: what it had stays in use. One line for each cause, until it is mended."""
    path = tmp_path / "ca.pem"
    path.write_bytes(ONE)
    file = CAFile(str(path))
    for damage in (lambda: path.write_bytes(OTHER[:99]), path.unlink):
        damage()
        for _ in range(2):
            assert not _has_changed(file)
        assert file.certificates == _texts(ONE)
    cut, gone = (each.getMessage() for each in caplog.records)
    assert cut.startswith(f"--ca-file: certificate 1 in {path} cannot be read")
    assert gone.startswith(f"--ca-file: {path} cannot be read: No such file or directory. The certificates that it had")
    path.write_bytes(OTHER)
    assert _has_changed(file)
    assert file.certificates == _texts(OTHER)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """The file is read every few seconds, for months."""
    before = len([*Path("/proc/self/fd").iterdir()])
    for path in (tmp_path, tmp_path / "missing"):
        for _ in range(20):
            with pytest.raises(CAFileError):
                read_ca_file(str(path))
    assert len([*Path("/proc/self/fd").iterdir()]) == before
