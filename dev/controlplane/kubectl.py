"""The real kubectl, as a function."""

import subprocess
from pathlib import Path


class KubectlError(Exception):
    """kubectl ended with an error; the message has what it printed."""


def kubectl(binary: Path, kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """What `kubectl ARGUMENTS` prints.

    Raises:
        KubectlError: it ended with another exit code than 0.
    """
    ended = subprocess.run(
        [str(binary), f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        printed = f"{ended.stderr.strip()}\n{ended.stdout.strip()}".strip()
        raise KubectlError(f"kubectl {' '.join(arguments)}: {printed}")
    return ended.stdout
