"""A script is what its log says, and a file that is no log is refused in words."""

from argparse import Namespace
from pathlib import Path

import pytest

from dev.soak.__main__ import _script
from dev.soak.actions import Script, ScriptError
from dev.soak.plan import plan

_HEADER = '{"seed": 1, "seconds": 60, "topology": "one"}\n'


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Each action, at its time."""
    script, log = plan(3, 20.0), tmp_path / "actions.jsonl"
    log.write_text("\n".join(script.lines()))
    assert Script.read(log) == script


@pytest.mark.parametrize("text", ["", "# A page\n", "[]\n", '{"seed": 1}\n', _HEADER + '{"at": 1}\n', _HEADER + "{\n"])
def test_what_is_no_log(tmp_path: Path, text: str) -> None:
    """Nor is a file that is not there, nor a folder."""
    log = tmp_path / "actions.jsonl"
    log.write_text(text)
    for path in (log, tmp_path, tmp_path / "missing"):
        with pytest.raises(ScriptError, match=f"^{path} is not the log of a soak: "):
            Script.read(path)


def test_a_log_of_another_version(tmp_path: Path) -> None:
    """It has actions that this version cannot perform: said before anything is started."""
    log = tmp_path / "actions.jsonl"
    log.write_text(_HEADER + '{"at": 1, "lane": "users", "do": "fly", "args": {}, "seconds": 0}\n')
    with pytest.raises(ScriptError, match="this version has no fly"):
        _script(Namespace(replay=log))
