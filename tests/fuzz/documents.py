"""Documents of Astra Control as hypothesis strategies: each field right, at a bound, beyond it, or of another kind."""

import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz.mutation import json_values

ID: Final = "bab39d53-2d04-5297-b92e-58df89a2117b"
TOKEN: Final = "s3cr3t-Token=="
SPELLED: Final = [
    TOKEN,
    TOKEN.upper(),
    TOKEN + "x",
    TOKEN.replace("=", "%3D"),
    TOKEN.replace("-", "\\u002d"),
    TOKEN.replace("=", "&#61;"),
]
"""As servers echo a token."""
_STATES: Final = (
    "pending", "discovering", "running", "completed", "failed", "removed", "deleting", "unknown", "ready", " ", "\0",
    "Running",
)  # fmt: skip
_lengths: Final = st.sampled_from([255, 256, 257, 1023, 1024, 1025, 3000]).map(
    lambda length: "x ü" * (length // 3) + "y" * 3
)
_echoes: Final = st.builds("{}{}{}".format, st.text(max_size=5), st.sampled_from(SPELLED), st.text(max_size=5))
texts: Final = st.text(max_size=40) | _lengths | _echoes | st.text('x ü\n"\\', max_size=1100)
_percentages: Final = st.sampled_from(
    [
        0,
        41.9,
        99,
        99.99,
        100,
        100.0,
        100.01,
        101,
        -0.001,
        -1,
        "99.9",
        "101",
        "-1",
        "NaN",
        "1e2",
        "1_0",
        " 7 ",
        True,
        1e300,
    ]
) | st.floats(-50, 200)
_sizes: Final = st.sampled_from(
    [0, 1, 10**9, 2**63 - 1, 2**63, 2**64, -1, "5", "-5", "9223372036854775808", 1.5e300, 1e18, 0.5, True]
) | st.integers(0, 2**63 - 1)
_times: Final = st.sampled_from(
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.123456789Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01 12:00:00Z",
        "0000-01-01T00:00:00Z",
    ]
)
_details: Final = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "title", "detail"), texts | json_values)) | json_values,
    max_size=20,
)
_labels: Final = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "value"), texts)), max_size=5
).flatmap(lambda labels: st.sampled_from([labels, labels * 30]))


def documents(backup_id: str) -> st.SearchStrategy[dict[str, Any]]:
    """Documents about that backup; most of them are one."""

    def of(field: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return field | field | field | json_values

    metadata = st.fixed_dictionaries(
        {},
        optional={
            "labels": of(_labels),
            **dict.fromkeys(("creationTimestamp", "modificationTimestamp"), of(_times)),
            **dict.fromkeys(("createdBy", "modifiedBy"), of(texts)),
        },
    )
    return st.fixed_dictionaries(
        {
            "id": st.sampled_from([backup_id, backup_id, backup_id.upper()]),
            "state": st.sampled_from(_STATES) | st.sampled_from(_STATES) | texts,
        },
        optional={
            "percentDone": of(_percentages),
            "bytesDone": of(_sizes),
            "totalBytes": of(_sizes),
            "stateUnready": of(st.lists(texts | json_values, max_size=40)),
            "stateDetails": of(_details),
            "hookState": of(st.sampled_from(["failed", "success", ""]) | texts),
            "hookStateDetails": of(_details),
            **dict.fromkeys(("name", "version", "bucketID", "snapshotID", "scheduleID"), of(texts)),
            "backupCreationTimestamp": of(_times),
            "metadata": of(metadata),
        },
    )


def bodies(backup_id: str) -> st.SearchStrategy[bytes]:
    """The same as text."""
    return documents(backup_id).map(
        lambda document: json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    )
