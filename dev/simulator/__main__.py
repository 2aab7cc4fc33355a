"""The simulator by hand: `python -m dev.simulator`, until Ctrl-C."""

import argparse
import signal
import sys
from base64 import b64encode

from dev.simulator import control
from dev.simulator.model import SCENARIOS
from dev.simulator.server import Simulator

_MANIFESTS = """\
# The Secret and a ref for each backup, for kubectl apply -f -; the operator needs --allowed-url {url}
apiVersion: v1
kind: Secret
metadata: {{name: astra-control}}
data:
  url: {url64}
  token: {token64}{ca}
"""
_REF = """\
---
apiVersion: astra-mirror.io/v1
kind: AppBackupRef
metadata: {{name: {name}}}
spec: {{accountID: {account}, appID: {app}, backupID: {backup}, interval: 2s}}
"""


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.simulator",
        description="A simulated Astra Control. Prints manifests for the backups that it serves, and stops on Ctrl-C.",
        epilog=control.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="any free one when left out")
    parser.add_argument("--tls", action="store_true", help="speak HTTPS, with an authority of its own")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a backup takes (default: 60)")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="serve only this one; repeatable")
    arguments = parser.parse_args()
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        simulator = Simulator.start(port=arguments.port, tls=arguments.tls)
    except OSError as error:
        sys.exit(f"simulator: port {arguments.port}: {error}")
    with simulator as astra:
        ca = f"\n  ca.crt: {_base64(astra.ca_pem)}" if astra.ca_pem else ""
        print(_MANIFESTS.format(url=astra.url, url64=_base64(astra.url), token64=_base64(astra.token), ca=ca), end="")
        for name in arguments.scenario or SCENARIOS:
            backup = astra.add_backup(name, seconds=arguments.seconds)
            print(_REF.format(name=name, account=backup.account, app=backup.app, backup=backup.id), end="")
        print(f"# export ASTRA={astra.url}", flush=True)
        signal.sigwait(signals)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


if __name__ == "__main__":
    main()
