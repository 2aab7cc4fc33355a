"""What to do next, for each reason that a condition may have.

A test compares the reasons with those that the operator writes. `{name}`, `{kind}`, `{secret}` and `{namespace}` are
replaced by those of the object.
"""

from typing import Final

NOTHING: Final = "Nothing has to be done."
_WAIT: Final = "Wait: kubectl abr wait {name} -n {namespace} ends when the backup does."
_RENEW: Final = (
    "Put a valid token into the Secret: kubectl -n {namespace} create secret generic {secret} --from-literal=url=URL "
    "--from-file=token=FILE --dry-run=client -o yaml | kubectl apply -f - ; and compare spec.accountID with the "
    "account's ID on Astra Control's API access page."
)

ADVICE: Final = {
    "NotObserved": "Wait some seconds for the first answer of Astra Control.",
    "Observed": NOTHING,
    "BackupCompleted": NOTHING,
    "BackupObserved": NOTHING,
    "ListObserved": NOTHING,
    "ObjectivesMet": NOTHING,
    "BackupInProgress": _WAIT,
    "BackupStateUnknown": "Look into Astra Control: it cannot tell the backup's state at present.",
    "BackupStateUnrecognized": "Look into Astra Control: the state is not in its documentation.",
    "BackupFailed": "Mend what the message names, and take another backup.",
    "BackupRemoved": "Check the bucket in Astra Control; if the backup is lost, take another one.",
    "BackupDeleting": "Point the ref at another backup: edit spec.backupID.",
    "BackupNotFound": "Compare the three IDs in the spec with Astra Control's; the backup may have been deleted there.",
    "BackupCompletedHooksFailed": (
        "Mend the execution hook that the message names and take another backup; where the hooks do not matter, set "
        "spec.readyWhen to Completed."
    ),
    "ObservationStale": "Mend what the condition Synced names; the status follows within a minute.",
    "Suspended": "Resume polling: kubectl -n {namespace} patch {kind} {object} --type=merge -p "
    '\'{{"spec":{{"suspend":false}}}}\'',
    "Unauthorized": _RENEW,
    "Forbidden": "In Astra Control, give the token's user a role that includes this app; it counts within a minute.",
    "InvalidRequest": "Compare the IDs in the spec with Astra Control's.",
    "ServerError": "Wait, or look after Astra Control: the operator tries again by itself.",
    "RateLimited": "Wait: Astra Control has asked for a pause, and the operator goes on when it ends.",
    "Unreachable": "Check the url in the Secret {secret}, and the network from the operator's pod to that host.",
    "UnexpectedResponse": "Check the url in the Secret {secret}: a proxy may answer there, and not Astra Control.",
    "ListIncomplete": "Wait; with a server that always pages its lists, use refs in place of a monitor.",
    "TLSVerificationFailed": (
        "Put the certificate authority, or the server's own certificate, into the key ca.crt of the Secret {secret}, "
        "or correct the host in its url."
    ),
    "SecretUnreadable": "Check the API server: it does not deliver Secrets to the operator, which tries again.",
    "SecretNotFound": (
        "Create the Secret: kubectl -n {namespace} create secret generic {secret} --from-literal=url=URL "
        "--from-file=token=FILE"
    ),
    "SecretInvalid": "Correct the key of the Secret {secret} that the message names; it counts within seconds.",
    "SecretForbidden": (
        "Check the spelling of {secret}; if it is right, have an administrator add that name to the operator's role, "
        "or use the name astra-control."
    ),
    "URLNotAllowed": "Correct the Secret's url, or have an administrator add it to the operator's --allowed-url.",
    "InvalidSpec": "Correct the field that the message names, and apply the CRD of the operator's release.",
    "FirstBackupInProgress": _WAIT,
    "ObjectiveMissed": "Check the schedule in Astra Control and why the latest backups failed, or take a backup now.",
    "AppNotFound": "Compare the account's and the app's ID in the spec with Astra Control's.",
    "RefsForbidden": "Have an administrator bind the ClusterRole astra-mirror-refs to the operator.",
    "RefsRefused": "Change the quota, the webhook or the label that the message names.",
    "RefConflict": "Rename or delete the ref that the message names.",
    "RefsPending": "Wait: the message says what for.",
}
"""By reason."""

NO_OPERATOR: Final = (
    "Find out why no operator handles the object: kubectl -n {operator_namespace} get pods,lease, its log, and whether "
    "{namespace} is one of its --namespace."
)
DEAD_OPERATOR: Final = (
    "Start the operator again: kubectl -n {operator_namespace} get pods, and read the log of the last one."
)
