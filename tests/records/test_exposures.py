"""What was given tells the state of every reading taken meanwhile, whatever file of the record each stands in."""

import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.exposures import Exposures

from .build import bundle, checked, concept, observation

pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")


RATE = concept("8867-4")


def administration(text: str = "Dobutamine 250 mg/20 mL", **more: Any) -> dict[str, Any]:
    period = {"start": "2024-03-01T10:00:00Z", "end": "2024-03-01T14:00:00Z"}
    made = {"resourceType": "MedicationAdministration", "id": "m1", "status": "completed", "effectivePeriod": period,
            "subject": {"reference": "Patient/A"}, "medicationCodeableConcept": {"text": text}}  # fmt: skip
    return made | more


def rate(value: int, hour: int):
    return observation(RATE, value, "/min", effectiveDateTime=f"2024-03-01T{hour:02}:00:00Z")


def conditions(path, **asked):
    records = checked(ht.read(path, **asked))
    return {m.value: m.condition for m in records["A"]}


def fates(path):
    return {row.field: row.reason for row in ht.read(path).rows}


def test_reading_during_an_administration_is_of_that_drug_and_the_others_stay_at_rest(tmp_path):
    path = bundle(tmp_path, rate(70, 9), rate(95, 12), administration())
    assert conditions(path) == {70: None}
    assert conditions(path, condition="dobutamine") == {95: "dobutamine"}
    assert "(1 of 1 exposures change the circulation)" in fates(path)["MedicationAdministration"]


@pytest.mark.parametrize(
    "given",
    [administration(status="not-done"), administration(status="entered-in-error"), administration("aspirin 100 mg"),
     administration("nitroglycerin sublingual spray"), administration(effectivePeriod={}),
     administration(subject={"reference": "Patient/B"})],
)  # fmt: skip
def test_what_was_not_given_does_not_act_or_is_another_patients_is_no_state(tmp_path, given):
    assert conditions(bundle(tmp_path, rate(95, 12), given), condition="rest") == {95: None}


def test_an_infusion_in_progress_goes_on_and_a_finished_one_without_an_end_lasts_its_day(tmp_path):
    start = {"start": "2024-02-20T10:00:00Z"}
    on = bundle(tmp_path, rate(95, 12), administration(effectivePeriod=start, status="in-progress"), name="on.json")
    off = bundle(tmp_path, rate(95, 12), administration(effectivePeriod=start), name="off.json")
    assert conditions(on) == {95: "dobutamine"} and conditions(off) == {95: None}


def test_a_device_in_use_is_a_state(tmp_path):
    used = {"resourceType": "DeviceUseStatement", "status": "active", "subject": {"reference": "Patient/A"},
            "timingPeriod": {"start": "2024-02-28"}, "device": {"display": "Impella CP"}}  # fmt: skip
    assert conditions(bundle(tmp_path, rate(95, 12), used)) == {95: "impella"}
    assert conditions(bundle(tmp_path, rate(95, 12), used | {"status": "intended"})) == {95: None}


def test_medication_that_another_file_of_the_export_names_is_found_in_any_order(tmp_path):
    pointing = {key: value for key, value in administration().items() if key != "medicationCodeableConcept"}
    pointing["medicationReference"] = {"reference": "Medication/drug7"}
    named = {"resourceType": "Medication", "id": "drug7", "code": concept("3628", system="rxnorm")}
    named["code"]["coding"][0]["display"] = "dobutamine 12.5 MG/ML Injection"
    for order in ("abc", "cba", "bca"):
        folder = tmp_path / order
        folder.mkdir()
        for name, resource in zip(order, (rate(95, 12), pointing, named), strict=True):
            (folder / f"{name}.ndjson").write_text(json.dumps(resource) + "\n")
        assert conditions(folder) == {95: "dobutamine"}, order


def test_medication_in_the_administration_itself_is_found(tmp_path):
    inner = {"resourceType": "Medication", "id": "x", "code": {"text": "Milrinone"}}
    given = administration("", contained=[inner], medicationReference={"reference": "#x"})
    assert conditions(bundle(tmp_path, rate(95, 12), given)) == {95: "milrinone"}


def mixed(folder: Path, **columns) -> Path:
    """OMOP exposures of person A beside a table that another department wrote, whose name sorts before them."""
    folder.mkdir()
    (folder / "a.csv").write_text(
        "patient,observable,value,unit,time,condition\nA,heart_rate,95,/min,2024-03-01T12:00,\n"
        "A,sbp,118,mmHg,2024-03-01T12:00,rest\nA,dbp,70,mmHg,2024-03-01T15:00,\n"
    )
    drug = {"person_id": ["A"], "drug_concept_id": [0], "drug_source_value": ["Dobutamin (dobutamine)"],
            "drug_exposure_start_date": [None], "drug_exposure_start_datetime": [datetime(2024, 3, 1, 10)],
            "drug_exposure_end_date": [None], "drug_exposure_end_datetime": [datetime(2024, 3, 1, 14)]}  # fmt: skip
    measured = {"measurement_id": [1], "person_id": ["A"], "measurement_concept_id": [0]}
    pq.write_table(pa.table(drug | columns), folder / "drug_exposure.parquet")
    pq.write_table(pa.table(measured), folder / "measurement.parquet")
    return folder


def test_drug_of_an_omop_model_gives_its_state_to_a_table_beside_it_unless_that_says_its_own(tmp_path):
    folder = mixed(tmp_path / "m")
    assert conditions(folder) == {118: "rest", 70: None}
    assert conditions(folder, condition="dobutamine") == {95: "dobutamine"}
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert conditions(tmp_path / "m.zip", condition="dobutamine") == {95: "dobutamine"}
    (tmp_path / "outer").mkdir()
    (tmp_path / "m.zip").rename(tmp_path / "outer" / "m.zip")
    (tmp_path / "outer" / "b.csv").write_text("patient,observable,value,unit,time\nA,map,88,mmHg,2024-03-01T13:00\n")
    assert conditions(tmp_path / "outer", condition="dobutamine") == {95: "dobutamine", 88: "dobutamine"}


def test_source_whose_exposures_cannot_be_read_is_refused_and_not_taken_for_rest(tmp_path):
    folder = mixed(tmp_path / "m")
    pq.write_table(pa.table({"person_id": ["A"]}), folder / "drug_exposure.parquet")
    records = checked(ht.read(folder))
    (row,) = [row for row in records.rows if row.field == "file"]
    assert row.fate == "quarantined" and "the drug_exposure table lacks drug_concept_id" in row.reason
    assert not [row for row in records.rows if row.origin.startswith("measurement ")]


def test_more_exposures_than_are_held_stop_the_reading(tmp_path, monkeypatch):
    monkeypatch.setattr("hemotwin.records.exposures.EXPOSURES_LIMIT", 2)
    with pytest.raises(InputError, match="more than 2 exposures that matter"):
        ht.read(bundle(tmp_path, rate(95, 12), *[administration()] * 3))


def test_day_without_a_clock_is_on_what_was_given_that_day():
    told = Exposures()
    told.add("drug", "A", ("dobutamine",), "2024-03-01T10:00", "2024-03-01T14:00", open_ended=False)
    told.add("drug", "A", ("dobutamine",), "2024-03-01T13:00", "2024-03-01T16:00", open_ended=False)
    told.close()
    assert [told.condition("A", time) for time in ("2024-03-01", "2024-03-01T15:30", "2024-03-01T17:00", None)] == [
        "dobutamine", "dobutamine", None, None,
    ]  # fmt: skip
