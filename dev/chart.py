"""`python -m dev.chart` brings the chart's copies of the project's files up to date.

Helm reads nothing outside a chart. They are copies and not links, because Flux packs no links.
"""

import shutil
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
_FILES: Final = _ROOT / "charts" / "astra-mirror" / "files"


def copies() -> dict[Path, Path]:
    """Where each file in the chart comes from."""
    crds = [each for each in sorted((_ROOT / "crds").glob("*.yaml")) if each.name != "kustomization.yaml"]
    folder = _ROOT / "manifests" / "monitoring"
    names = ("kube-state-metrics.yaml", "prometheusrule.yaml", "rbac.yaml")
    monitoring = [*(folder / name for name in names), *sorted(folder.glob("*.json"))]
    found = {_FILES / "crds" / each.name: each for each in crds}
    return found | {_FILES / "monitoring" / each.name: each for each in monitoring}


def main() -> None:
    """Write them all anew."""
    shutil.rmtree(_FILES, ignore_errors=True)
    for target, source in copies().items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
