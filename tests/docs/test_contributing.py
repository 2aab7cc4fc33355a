"""CONTRIBUTING.md: the parts run by hand, line by line as the page has them."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import yaml

from dev.controlplane.kubectl import kubectl

_PAGE: Final = Path("CONTRIBUTING.md").read_text()
_BIN: Final = str(Path(sys.executable).parent)


def _lines() -> list[str]:
    """The block of the three terminals, with this environment's programs and without the remarks."""
    block = _PAGE.split("To run the parts by hand")[1].split("\n\n")[1]
    return [re.sub(r" +#.*", "", line).strip().replace(".venv/bin", _BIN) for line in block.splitlines()]


@contextmanager
def _terminal(line: str, environment: dict[str, str]) -> Iterator[IO[str]]:
    """What a line prints, while it runs."""
    with subprocess.Popen(line.split(), stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        try:
            yield process.stdout or io.StringIO()
        finally:
            process.terminate()


def _until(printed: IO[str], begins: str) -> str:
    """What it prints up to the line that begins so."""
    text = ""
    for line in printed:
        text += line
        if line.startswith(begins):
            return text
    raise AssertionError(f"no {begins!r} in: {text}")


def test_the_parts_by_hand() -> None:
    """The three terminals, and the simulator's manifests applied: a ref is observed."""
    control_plane, simulator, crds, operator = _lines()
    with _terminal(control_plane, {}) as first, _terminal(simulator, {}) as second:
        shown = _until(first, "# kubectl is in ")
        kubeconfig = re.findall(r"^export KUBECONFIG=(\S+)$", shown, re.MULTILINE)[0]
        programs = re.findall(r"^# kubectl is in ([^;]+);", shown, re.MULTILINE)[0]
        manifests = _until(second, "# export ASTRA=")
        port = re.findall(r"^# export ASTRA=http://127\.0\.0\.1:(\d+)$", manifests, re.MULTILINE)[0]
        # The one thing that is not typed: another port than :8080, which may be in use.
        environment = {"KUBECONFIG": kubeconfig, "ASTRA_MIRROR_HTTP_ADDRESS": "127.0.0.1:0"}
        environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(["sh", "-euc", crds], check=True, env=os.environ | environment, capture_output=True)
        with _terminal(operator.replace("PORT", port), environment):
            user = partial(kubectl, Path(programs) / "kubectl", Path(kubeconfig))
            user("apply", "-f", "-", stdin=manifests)
            refs = [each for each in yaml.safe_load_all(manifests) if each["kind"] == "AppBackupRef"]
            user("wait", "--for=condition=Synced", f"abr/{refs[0]['metadata']['name']}", "--timeout=60s")
