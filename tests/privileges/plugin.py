"""Judges the shipped roles at the end of a run of pytest, by what every control plane's audit log says.

No single test uses all of a role, and no single worker of pytest-xdist runs all tests: each gathers what its control
planes have logged, and the run as a whole is judged once. A request that was refused fails any run. A right that
nothing has used fails a run of all tests, if nothing else has failed: a part of them need not use everything.
"""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from dev.controlplane import ControlPlane
from tests.privileges.audit import ACCOUNTS, Audit, Gathered, Right, gathered, unmeant, unused

_OUTPUT: Final = "privileges"
_GATHERED: Final = pytest.StashKey[dict[str, Gathered]]()
_FAULTS: Final = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been gathered yet."""
    config.stash[_GATHERED] = {each.user: Gathered() for each in ACCOUNTS}
    config.stash[_FAULTS] = []


@pytest.fixture(scope="session")
def audit(pytestconfig: pytest.Config) -> Audit:
    """Takes note of what the audit log of a control plane says."""

    def take(control_plane: ControlPlane) -> None:
        for account in ACCOUNTS:
            add(pytestconfig, account.user, gathered(control_plane.audit_events(of=account.user), account))

    return take


def add(config: pytest.Config, user: str, more: Gathered) -> None:
    """Add to what was gathered of an account."""
    config.stash[_GATHERED][user] |= more


def to_output(found: dict[str, Gathered]) -> dict[str, Any]:
    """What a worker sends: lists of texts, as pytest-xdist can carry them."""
    return {
        user: {"used": [list(right) for right in each.used], "refused": [list(right) for right in each.refused]}
        for user, each in found.items()
    }


def from_output(output: Mapping[str, Any]) -> dict[str, Gathered]:
    """What a worker has sent."""
    return {
        user: Gathered(*(frozenset(Right(*right) for right in each[kind]) for kind in ("used", "refused")))
        for user, each in output.items()
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended: take over what it has gathered."""
    output = getattr(node, "workeroutput", {}).get(_OUTPUT, {})
    for user, found in from_output(output).items():
        add(node.config, user, found)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In a worker, hand over what was gathered; else judge it."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_OUTPUT] = to_output(config.stash[_GATHERED])
        return
    is_whole = exitstatus == pytest.ExitCode.OK and _runs_everything(config)
    faults = faults_of(config.stash[_GATHERED], is_whole=is_whole)
    config.stash[_FAULTS] = faults
    if faults and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what is wrong with the roles."""
    if config.stash[_FAULTS]:
        terminalreporter.section("least privilege", red=True)
        for fault in config.stash[_FAULTS]:
            terminalreporter.line(fault, red=True)


def faults_of(found: dict[str, Gathered], *, is_whole: bool) -> list[str]:
    """What is wrong with the roles, one line each.

    Args:
        found: what was gathered, by account.
        is_whole: all tests have run, so that each right must have been used.
    """
    faults = []
    for account in ACCOUNTS:
        of_account = found[account.user]
        faults += [f"refused to {account.user}: {each}" for each in unmeant(of_account.refused, account.rights())]
        if is_whole:
            where = account.manifest.relative_to(account.manifest.parents[2])
            faults += [
                f"nothing uses this right in {where}: {each}" for each in unused(account.rights(), of_account.used)
            ]
    return faults


def _runs_everything(config: pytest.Config) -> bool:
    option = config.option
    selects = (option.keyword, getattr(option, "lf", False), option.deselect, option.ignore, option.ignore_glob)
    is_default_mark = option.markexpr == "not minutes"
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and is_default_mark and not any(selects)
