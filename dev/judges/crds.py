"""The CRDs of the programs that manifests/monitoring and manifests/gitops are for: out of their own Go modules, pinned.

They are in no test's text, because a copy would fall behind what a cluster has.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from dev.gobuild import GoPrograms, ToolchainError


@dataclass(frozen=True)
class _Module:
    """A module with CRDs.

    Attributes:
        version: the module's path and version, as `go mod download` takes them.
        sum: of its content, as go.sum has it.
        files: the CRDs in it.
    """

    version: str
    sum: str
    files: tuple[str, ...]


_MODULES: Final = (
    _Module(
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        tuple(
            f"example/prometheus-operator-crd/monitoring.coreos.com_{each}.yaml"
            for each in ("prometheusrules", "servicemonitors")
        ),
    ),
    _Module(
        "github.com/fluxcd/kustomize-controller@v1.9.6",
        "h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE=",
        ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    ),
)


@cache
def folder() -> Path:
    """The folder with the CRDs, one a file, named by group and plural.

    Raises:
        ToolchainError: they cannot be downloaded.
    """
    return GoPrograms(
        name="crds",
        what="no program: the CRDs of the Prometheus operator and of Flux are downloaded, once",
        modules=(),
        flags=(),
        packages=len(_MODULES),
        inputs=tuple(map(repr, _MODULES)),
        finish=_download,
    ).folder()


def _download(target: Path) -> None:
    for module in _MODULES:
        command = ["go", "mod", "download", "-json", module.version]
        ended = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise ToolchainError(f"{' '.join(command)}: {ended.stdout}{ended.stderr}")
        found = json.loads(ended.stdout)
        if found["Sum"] != module.sum:
            raise ToolchainError(f"{module.version} is another one than what was pinned: {found['Sum']}")
        for file in module.files:
            shutil.copyfile(Path(found["Dir"]) / file, target / Path(file).name)
