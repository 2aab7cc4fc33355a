"""The whole status for each row of the conditions table, against files that a person has read.

UPDATE_GOLDEN=1 writes them anew; the diff is then what has to be read.
"""

import os
from pathlib import Path

import pytest
import yaml

from tests.core.cases import ROWS
from tests.invariants import check_status

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("row", ROWS)
def test_the_status_is_the_one_on_file(row: str) -> None:
    """Each row of the conditions table gives the status that was agreed on."""
    status = ROWS[row]
    check_status(status)
    file = GOLDEN / f"{row}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(yaml.safe_dump(status, sort_keys=False, allow_unicode=True, width=120))
    assert yaml.safe_load(file.read_text()) == status


def test_no_file_is_left_over() -> None:
    """A row that went has no file any more."""
    assert {file.stem for file in GOLDEN.glob("*.yaml")} == set(ROWS)
