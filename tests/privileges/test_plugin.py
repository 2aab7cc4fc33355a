"""The plugin in runs of pytest of its own: whole or in part, in one process or with workers that end one by one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_CONFTEST: Final = """
import pytest

from tests.privileges.audit import ACCOUNTS, Gathered, Right

pytest_plugins = ["tests.privileges.plugin"]


def _add(config, *arguments):
    from tests.privileges import plugin

    plugin.add(config, *arguments)


@pytest.fixture
def uses(pytestconfig):
    def use(number, parts):
        for account in ACCOUNTS:
            _add(pytestconfig, account.user, Gathered(frozenset(sorted(account.rights())[number::parts])))
    return use


@pytest.fixture
def is_refused(pytestconfig):
    right = Right("", "", "namespaces", "", "list")
    _add(pytestconfig, ACCOUNTS[0].user, Gathered(refused=frozenset([right])))
"""
_TESTS: Final = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_use(uses, number):
    uses(number, 4)
"""
_REFUSED: Final = "\ndef test_refused(is_refused):\n    pass\n"
_FAILING: Final = "\ndef test_failing():\n    assert False\n"


_LESS: Final = _TESTS.replace("range(4)", "range(3)")
_WORKERS: Final = "--numprocesses=2"
_UNUSED: Final = "nothing uses this right in manifests/default/rbac.yaml: "
_TO: Final = "refused to system:serviceaccount:astra-mirror-system:astra-mirror"


@pytest.mark.parametrize(
    ("tests", "options", "code", "words"),
    [
        pytest.param(_TESTS, [_WORKERS], 0, "", id="all-used"),
        pytest.param(_LESS, [_WORKERS], 1, _UNUSED, id="one-unused"),
        pytest.param(_TESTS + _REFUSED, [_WORKERS, "tests/test_it.py"], 1, _TO, id="refused"),
        pytest.param(_LESS, [], 1, _UNUSED, id="one-unused-in-one-process"),
        pytest.param(_TESTS, ["-k", "0 or 1"], 0, "", id="a-part-by-name"),
        pytest.param(_LESS, ["tests/test_it.py"], 0, "", id="a-part-by-file"),
        pytest.param(_LESS + _FAILING, [], 1, "1 failed", id="failed-otherwise"),
    ],
)
def test_a_run(tmp_path: Path, tests: str, options: list[str], code: int, words: str) -> None:
    """Judged once, at its end, by what all its tests have used."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text('[pytest]\ntestpaths = tests\naddopts = -m "not minutes"\nmarkers = minutes\n')
    (tmp_path / "tests" / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "tests" / "test_it.py").write_text(tests)
    path = os.pathsep.join([str(_ROOT), str(_ROOT / "operator")])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code, run.stdout
    assert words in run.stdout
    assert ("least privilege" in run.stdout) == (code == 1 and "failed" not in words)
