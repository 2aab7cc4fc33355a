"""What Astra Control does: backups move, tokens come and go, and answers are not what they should be."""

import json
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Final

from dev.hostile.echo import problem
from dev.simulator import Fault
from dev.soak import contents
from dev.soak.backups import ACCOUNTS, app_of, backup_of, served
from dev.soak.doing.perform import Args, End, Perform
from dev.soak.stage import Stage

MOVING: Final = "expired by"
_MOVING_SECONDS: Final = 0.5


def _backup(stage: Stage, args: Args, _: float) -> None:
    account, app, number = args["account"], args["app"], args["number"]
    backup_id = backup_of(account, app, number)
    document = served(backup_id, args["serial"], args["fields"])
    with stage.astra.lock:
        key = (ACCOUNTS[account], app_of(account, app), backup_id)
        backup = stage.astra.backups.get(key)
        if backup is None:
            backup = stage.astra.add_backup(lambda *_: None, account=key[0], app=key[1], id=backup_id)
    stage.serve(backup, document)


def _gone(stage: Stage, args: Args, _: float) -> None:
    account, app, number = args["account"], args["app"], args["number"]
    backup = stage.astra.find(backup_of(account, app, number))
    if backup is not None:
        backup.serve_raw(None)


def _grant(stage: Stage, args: Args, _: float) -> None:
    token = contents.token_of(args["token"], stage.seed)
    accounts = None if args["accounts"] is None else [ACCOUNTS[each] for each in args["accounts"]]
    stage.astra.add_token(token, accounts=accounts, no_apps=args["no_apps"])


def _fault(stage: Stage, args: Args, _: float) -> End:
    options = dict(args)
    token = contents.token_of(options.get("token", 0), stage.seed)
    if "token" in options:
        # To another connection it would be no secret, and might be shown.
        options["token"] = token
    if "body" in options:
        options["body"] = BODIES[options["body"]](token)
    fault = stage.astra.add_fault(Fault(**options))
    return lambda: stage.astra.clear_faults(fault)


def _moving_words(stage: Stage, args: Args, _: float) -> End:
    return move_words(stage, args["status"])


def move_words(stage: Stage, status: int) -> End:
    """From now on each answer is an error whose text is another one each time: `MOVING`, and so many seconds."""
    fault = stage.astra.add_fault(Fault("*", status=status, headers={"Content-Type": "application/problem+json"}))
    stop = Event()

    def move() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            moved = {"type": "about:blank", "title": "Token", "detail": f"{MOVING} {number}s", "status": "401"}
            fault.body = json.dumps(moved | {"correlationID": f"c-{number}"}).encode()
            stop.wait(_MOVING_SECONDS)

    mover = Thread(target=move, daemon=True)
    mover.start()

    def end() -> None:
        stop.set()
        stage.astra.clear_faults(fault)

    return end


def _freeze(stage: Stage, _: Args, __: float) -> End:
    stage.astra_tcp.freeze()
    return stage.astra_tcp.thaw


def _cut(stage: Stage, _: Args, __: float) -> None:
    stage.astra_tcp.cut()


BODIES: Final[Mapping[str, Callable[[str], bytes]]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"<html>gateway</html>",
    "list": lambda _: b"[1, 2, 3]",
    "null": lambda _: b"null",
    "deep": lambda _: b"[" * 100_000,
    "no-state": lambda _: b'{"id": "x"}',
    "state-number": lambda _: b'{"id": "x", "state": 7}',
    "huge": lambda _: b'{"padding": "' + b"x" * 2**21 + b'"}',
    "echo": lambda token: json.dumps({"id": token, "state": token, "items": [token]}).encode(),
    "echo-problem": problem,
    "infinite": lambda _: b'{"id": "x", "state": "running", "percentDone": Infinity, "bytesDone": NaN}',
}
"""Bodies of answers by name, made of a token."""
ACTIONS: Final[Mapping[str, Perform]] = {
    "backup": _backup,
    "gone": _gone,
    "grant": _grant,
    "astra-fault": _fault,
    "moving-words": _moving_words,
    "astra-freeze": _freeze,
    "astra-cut": _cut,
}
