"""FHIR resources that point to each other: members of a panel, contained resources, patients named by identifier."""

import json

import pytest

import hemotwin as ht

from .build import bundle, checked, concept, observation, only, read_bundle, values

SYSTOLIC, PULMONARY, ARM, RATE = "8480-6", "76284-9", "85354-9", "8867-4"
MRN = {"system": "urn:mrn", "value": "77"}


def member(system="urn:mrn", value="77", rate=70):
    subject = {"identifier": {"system": system, "value": value}}
    return observation(concept(RATE), rate, "/min", subject=subject)


def person(**more):
    return {"resourceType": "Patient", "id": "p", "gender": "female"} | more


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("ending", ["json", "ndjson"])
def test_member_with_a_generic_code_takes_its_site_from_the_panel_that_names_it(tmp_path, order, ending):
    panel = observation(concept(PULMONARY), id="panel", hasMember=[{"reference": "Observation/m"}])
    both = [panel, observation(concept(SYSTOLIC), 44, id="m")][::order]
    path = bundle(tmp_path, *both)
    if ending == "ndjson":
        path = tmp_path / "b.ndjson"
        path.write_text("".join(f"{json.dumps(one)}\n" for one in both))
    assert values(checked(ht.read(path))) == {("pa_pressure_systolic", "catheter"): 44}


def test_member_is_found_by_the_address_of_its_entry(tmp_path):
    panel = observation(concept(PULMONARY), hasMember=[{"reference": "urn:uuid:5-m"}])
    entries = [{"resource": panel}, {"fullUrl": "urn:uuid:5-m", "resource": observation(concept(SYSTOLIC), 44)}]
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    assert list(values(checked(ht.read(path)))) == [("pa_pressure_systolic", "catheter")]


def test_member_of_a_group_that_is_no_pressure_panel_keeps_its_own_meaning(tmp_path):
    vital_signs = observation(concept("85353-1"), id="v", hasMember=[{"reference": "Observation/m"}])
    records = read_bundle(tmp_path, vital_signs, observation(concept(SYSTOLIC), 120, id="m"))
    assert list(values(records)) == [("sbp", "unspecified")]


def test_contained_member_is_read_with_time_and_status_of_its_panel(tmp_path):
    inner = {"resourceType": "Observation", "id": "s", "code": concept(SYSTOLIC)}
    inner |= {"valueQuantity": {"value": 44, "code": "mm[Hg]"}, "status": "final"}
    panel = observation(concept(PULMONARY), contained=[inner], hasMember=[{"reference": "#s"}])
    (found,) = read_bundle(tmp_path, panel | {"effectiveDateTime": "2020-01-01"})["A"]
    assert (found.observable, found.value, found.time) == ("pa_pressure_systolic", 44, "2020-01-01")
    assert found.origin == "b.json entry 1 contained 1"
    assert not values(read_bundle(tmp_path, panel | {"status": "entered-in-error"}))


def test_sex_and_age_of_a_contained_patient_are_read(tmp_path):
    inside = person(birthDate="1950-06-01")
    made = observation(concept(SYSTOLIC), 120, id="o", subject={"reference": "#p"}, contained=[inside])
    records = read_bundle(tmp_path, made | {"effectiveDateTime": "2020-01-01"})
    assert records["o#p"].covariates == {"sex": "female", "age": 69}


def test_contained_patients_with_one_identifier_are_one(tmp_path):
    inside = person(identifier=[MRN])
    one, two = (
        observation(concept(code), value, unit, id=f"o{value}", subject={"reference": "#p"}, contained=[inside])
        for code, value, unit in ((SYSTOLIC, 120, "mm[Hg]"), (RATE, 70, "/min"))
    )
    assert read_bundle(tmp_path, one, two).patients == ["77"]


def test_patient_named_by_identifier_alone_is_the_patient_who_has_it(tmp_path):
    records = read_bundle(tmp_path, member(), person(identifier=[MRN]))
    assert records.patients == ["p"] and len(records["p"]) == 1
    assert read_bundle(tmp_path, member()).patients == ["77"]


def test_one_identifier_of_two_systems_is_two_patients(tmp_path):
    assert len(read_bundle(tmp_path, member(), member(system="urn:other", rate=80))) == 2


def test_observation_of_nobody_is_still_set_aside(tmp_path):
    assert (
        "no patient is named" in only(read_bundle(tmp_path, observation(concept(RATE), 70, "/min", subject={}))).reason
    )
