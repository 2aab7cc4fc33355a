"""What an error response to the request for a list means.

For refs it says nothing about their backups; monitors may learn from it that there is no such app.
"""

from dataclasses import replace
from http import HTTPStatus

from astra_mirror.core.outcome import WHOLE, Failed, Known, Listed, NotFound, SyncReason


def refused_list(answer: Failed | NotFound, known: Known) -> Failed | Listed:
    """What it means.

    Args:
        answer: what the response would mean for a single backup.
        known: what is known of the list, which includes the whole if a monitor reads it.
    """
    if isinstance(answer, Failed):
        return answer
    if WHOLE in known.documents:
        found = replace(answer, message=answer.message.replace("no such backup", "no such app", 1))
        return Listed(hash(found), {WHOLE: found}, size=None, complete=False)
    # A 404 for a list does not mean that any backup does not exist.
    return Failed(
        SyncReason.UNEXPECTED_RESPONSE,
        answer.message,
        code=HTTPStatus.NOT_FOUND,
        correlation_id=answer.correlation_id,
    )
