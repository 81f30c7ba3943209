"""The plain JSON record of one patient."""

import json

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import checked, values


def read_list(folder, *observations, **more):
    path = folder / "case7.json"
    path.write_text(json.dumps({"source": "a test", "observations": list(observations), **more}))
    return checked(ht.read(path))


def test_two_methods_are_two_channels_and_their_contradiction_is_reported(tmp_path):
    records = read_list(
        tmp_path,
        {"observable": "cardiac_output", "value": 7.34, "unit": "L/min", "method": "Fick"},
        {"observable": "cardiac_output", "value": 10.33, "unit": "L/min", "method": "thermodilution"},
    )
    assert values(records, "case7") == {("cardiac_output", "fick"): 7.34, ("cardiac_output", "thermodilution"): 10.33}
    assert "7.34 L/min by fick and 10.33 L/min by thermodilution, 41 % apart" in records["case7"].conflicts[0]


def test_methods_that_agree_are_no_conflict(tmp_path):
    records = read_list(
        tmp_path,
        {"observable": "cardiac_output", "value": 5.0, "unit": "L/min", "method": "Fick"},
        {"observable": "cardiac_output", "value": 6.0, "unit": "L/min", "method": "thermodilution"},
    )
    assert records["case7"].conflicts == ()


def test_patient_may_be_named_after_the_list(tmp_path):
    assert read_list(tmp_path, {"observable": "sbp", "value": 120, "unit": "mmHg"}, patient="Q").patients == ["Q"]


@pytest.mark.parametrize(
    "entry", [None, 7, [], {"value": 3}, {"observable": "sbp"}, {"observable": ["sbp"], "value": {}}]
)
def test_malformed_observation_costs_itself_only(tmp_path, entry):
    records = read_list(tmp_path, entry, {"observable": "sbp", "value": 120, "unit": "mmHg"})
    assert [row.fate for row in records.rows] == ["quarantined", "used"]


@pytest.mark.parametrize("observations", ["5", "[]", "{}"])
def test_record_without_observations_is_refused(tmp_path, observations):
    path = tmp_path / "x.json"
    path.write_text(f'{{"observations": {observations}}}')
    with pytest.raises(InputError, match=r"x\.json: `observations` must be a list of readings"):
        ht.read(path)
