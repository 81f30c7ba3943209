"""A datum that is withdrawn leaves no trace in a twin: made again without it, it is the twin that never saw it."""

from __future__ import annotations

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.records.evidence import evidence_sha256
from tests.records.build import table

HEADER = "patient,observable,value,unit,time,method"
ROWS = (
    "A,sbp,128,mmHg,2024-03-05,cuff",
    "A,dbp,79,mmHg,2024-03-05,cuff",
    "A,co,4.6,L/min,2024-03-05,thermodilution",
    "A,co,5.3,L/min,2024-03-05,fick",
    "A,mpap,36,mmHg,2024-03-05,catheter",
    "A,pcwp,11,mmHg,2024-03-05,catheter",
    "A,hr,74,/min,2024-03-05,monitor",
    "A,weight,88,kg,2024-03-05,",
    "A,height,171,cm,2024-03-05,",
    "B,sbp,141,mmHg,2024-03-06,cuff",
    "B,dbp,88,mmHg,2024-03-06,cuff",
    "B,co,5.0,L/min,2024-03-06,thermodilution",
)
WITHDRAWN = "A,pcwp,11,mmHg,2024-03-05,catheter"
GOVERNANCE = "steward: Cardiology\nlicence: CC-BY-4.0\npolicy: care\n"
REGISTER = GOVERNANCE + "consent:\n- {patient: A, purpose: '', decision: withdrawn, observable: pcwp}\n"


def written(folder, rows, governance):
    """A record with its governance file beside it."""
    folder.mkdir()
    (folder / "t_governance.yaml").write_text(governance)
    return table(folder, *rows, header=HEADER)


@pytest.fixture
def three(tmp_path):
    """The record as it was, with the withdrawal in its register, and as if the datum had never been recorded."""
    never = [row for row in ROWS if row != WITHDRAWN]
    return {
        "whole": written(tmp_path / "whole", ROWS, GOVERNANCE),
        "withdrawn": written(tmp_path / "withdrawn", ROWS, REGISTER),
        "never": written(tmp_path / "never", never, GOVERNANCE),
    }


def test_measurement_sets_are_equal_by_hash(three):
    found = {name: ht.read(path) for name, path in three.items()}
    hashes = {name: evidence_sha256(records) for name, records in found.items()}
    assert hashes["withdrawn"] == hashes["never"] != hashes["whole"]
    (row,) = [row for row in found["withdrawn"].rows if row.fate == "quarantined"]
    assert (row.text, row.reason) == ("(withheld)", "consent to care is denied or withdrawn: not read")


@pytest.mark.slow
def test_twins_are_equal_by_hash(three, tmp_path):
    """Calibrated from the command line, saved, loaded: every number of every patient, to the last digit."""
    twins = {}
    for name, path in three.items():
        target = str(tmp_path / f"{name}.zarr")
        assert main(["calibrate", str(path), "--out", target, "--starts", "3", "--seed", "5"]) == 0
        twins[name] = ht.load(target)
    for patient in ("A", "B"):
        assert twins["withdrawn"][patient].sha256 == twins["never"][patient].sha256
    assert twins["withdrawn"]["A"].sha256 != twins["whole"]["A"].sha256
    assert not [row for row in twins["withdrawn"]["A"].fit if row.observable == "pcwp_mean" and row.counted]
    facts = twins["withdrawn"]["A"].provenance
    assert facts["evidence_sha256"] == twins["never"]["A"].provenance["evidence_sha256"]
