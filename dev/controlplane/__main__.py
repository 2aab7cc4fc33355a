"""The control plane by hand: `python -m dev.controlplane up` or `path`."""

import argparse
import signal
import sys
from pathlib import Path

from dev.controlplane.cluster import ControlPlane
from dev.controlplane.processes import StartError
from dev.controlplane.toolchain import VARIABLE, binaries, versions
from dev.gobuild import ToolchainError


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m dev.controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it, print the KUBECONFIG to export, and stop it on Ctrl-C")
    up.add_argument("--audit-log", type=Path, metavar="FILE", help="keep the API server's audit log there")
    path = commands.add_parser("path", help="print the folder with the binaries and kubectl, building them if need be")
    for command in (up, path):
        command.add_argument(
            "--kubernetes",
            metavar="VERSION",
            help=f"one of {', '.join(versions())}; default: ${VARIABLE}, or else the newest",
        )
    arguments = parser.parse_args()
    try:
        if arguments.command == "path":
            print(binaries(arguments.kubernetes))
            return
        signals = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        log = arguments.audit_log.resolve() if arguments.audit_log else None
        with ControlPlane.start(audit_log=log, kubernetes=arguments.kubernetes) as control_plane:
            print(f"export KUBECONFIG={control_plane.kubeconfig}", flush=True)
            print(f"# kubectl is in {control_plane.binaries}; Ctrl-C stops everything", flush=True)
            signal.sigwait(signals)
    except (ToolchainError, StartError) as error:
        sys.exit(f"control plane: {error}")


if __name__ == "__main__":
    main()
