"""FHIR resources that point to each other: members of a panel, contained resources, patients named by identifier."""

import json

import pytest

import hemotwin as ht

from .build import bundle, checked, component, concept, observation, only, read_bundle, values

SYSTOLIC, PULMONARY, ARM, RATE = "8480-6", "76284-9", "85354-9", "8867-4"
MRN = {"system": "urn:mrn", "value": "77"}


def member(system="urn:mrn", value="77", rate=70):
    subject = {"identifier": {"system": system, "value": value}}
    return observation(concept(RATE), rate, "/min", subject=subject)


def person(**more):
    return {"resourceType": "Patient", "id": "p", "gender": "female"} | more


def group(name, *members, code="99999-9", **more):
    return (
        observation(concept(code), id=name, hasMember=[{"reference": f"Observation/{one}"} for one in members]) | more
    )


def bare(name, value=120, code=SYSTOLIC, **more):
    """A member with neither time nor subject."""
    made = observation(concept(code), value, id=name, **more)
    return {key: one for key, one in made.items() if key != "subject" or "subject" in more}


def without_subject(resource):
    return {key: one for key, one in resource.items() if key != "subject"}


def of_day(day):
    return {"effectiveDateTime": day}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_member_at_any_depth_has_time_subject_and_place_of_the_panels_above_it(tmp_path, order, depth):
    outer = group("g0", "g1", code=PULMONARY) | of_day("2020-01-01")
    inner = [without_subject(group(f"g{k}", f"g{k + 1}")) for k in range(1, depth)]
    given = [outer, *inner, bare(f"g{depth}", 44)][::order]
    (found,) = read_bundle(tmp_path, *given)["A"]
    assert (found.observable, found.value, found.time) == ("pa_pressure_systolic", 44, "2020-01-01")


def test_components_of_a_nested_member_have_the_time_and_subject_too(tmp_path):
    parts = [component(SYSTOLIC, value=120), component("8462-4", value=80)]
    inner = without_subject(observation(concept(ARM), id="i", component=parts))
    outer = group("o", "m", code="85353-1") | {"effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02"}}
    records = read_bundle(tmp_path, inner, without_subject(group("m", "i")), outer)
    assert {(m.observable, m.time) for m in records["A"]} == {("sbp", "2020-01-02"), ("dbp", "2020-01-02")}


def test_what_is_nearer_goes_before_what_is_further(tmp_path):
    own = bare("m", 120, **of_day("2020-03-03"), subject={"reference": "Patient/C"})
    of_inner = bare("n", 70, RATE) | {"valueQuantity": {"value": 70, "code": "/min"}}
    inner = group("i", "m", "n") | of_day("2020-02-02") | {"subject": {"reference": "Patient/B"}}
    outer = group("o", "i", "m", "n") | of_day("2020-01-01")
    records = read_bundle(tmp_path, own, of_inner, inner, outer)
    assert [(m.observable, m.time) for m in records["C"]] == [("sbp", "2020-03-03")]
    assert [(m.observable, m.time) for m in records["B"]] == [("heart_rate", "2020-02-02")]


def test_nearest_panel_says_the_place(tmp_path):
    outer, inner = group("o", "i", code=PULMONARY), group("i", "m", code=ARM)
    assert list(values(read_bundle(tmp_path, outer, inner, bare("m")))) == [("sbp", "unspecified")]


@pytest.mark.parametrize(
    ("links", "shown"),
    [
        ({"a": ["b"], "b": ["a", "m"]}, ("(a -> b -> a)",)),
        ({"a": ["a", "m"]}, ("(a -> a)",)),
        ({"a": ["b"], "b": ["a"], "c": ["m"], "d": ["c"]}, None),
        ({"a": ["b"], "b": ["c", "a"], "c": ["d"], "d": ["m"]}, ("(a -> b -> a)",)),
        ({"m": ["a"], "a": ["m"]}, ("(a -> m -> a)",)),
        ({f"g{k}": [f"g{k + 1}"] for k in range(1500)} | {"g1500": ["g0", "m"]}, ("(g0 -> g1 -> g2", "... -> g0)")),
    ],
)
def test_circle_of_panels_is_named_and_its_members_are_set_aside(tmp_path, links, shown):
    groups = [group(name, *members) | of_day("2020-01-01") for name, members in links.items() if name != "m"]
    member = bare("m") | ({"hasMember": [{"reference": "Observation/a"}]} if "m" in links else {})
    records = read_bundle(tmp_path, *groups, member)
    (row,) = [row for row in records.rows if row.text == "120"]
    if shown is None:
        assert (row.fate, records.patients) == ("used", ["A"])
        return
    assert row.fate == "quarantined" and "hasMember runs in a circle (" in row.reason
    assert all(part in row.reason for part in shown) and "remove one of its links" in row.reason


def test_long_chain_of_panels_and_many_panels_of_one_member_are_followed(tmp_path):
    chain = [without_subject(group(f"g{k}", f"g{k + 1}")) for k in range(1, 1500)]
    records = read_bundle(tmp_path, group("g0", "g1") | of_day("2020-01-01"), *chain, bare("g1500"))
    assert [m.time for m in records["A"]] == ["2020-01-01"]
    many = [group(f"g{k}", "m") | of_day("2020-01-01") for k in range(1500)]
    assert [m.time for m in read_bundle(tmp_path, *many, bare("m"))["A"]] == ["2020-01-01"]


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (of_day("2020-01-01"), of_day("2020-01-02"), "it has no time of its own, and its groups give 2 different ones"),
        ({}, {"subject": {"reference": "Patient/B"}}, "it has no subject of its own, and its groups give 2"),
        (
            {"code": concept(ARM)},
            {"code": concept(PULMONARY)},
            "groups of different places name it as a member (arterial",
        ),
    ],
)
def test_panels_that_tell_a_member_different_things_are_no_guess(tmp_path, one, other, reason):
    records = read_bundle(tmp_path, group("a", "m") | one, group("b", "m") | other, bare("m"))
    (row,) = [row for row in records.rows if row.text == "120"]
    assert row.fate == "quarantined" and reason in row.reason


def test_panels_that_differ_in_what_a_member_has_itself_do_no_harm(tmp_path):
    groups = [group("a", "m", code=ARM) | of_day("2020-01-01"), group("b", "m", code=PULMONARY) | of_day("2020-01-02")]
    rate = observation(concept(RATE), 70, "/min", id="m", **of_day("2020-05-05"))
    (found,) = read_bundle(tmp_path, *groups, rate)["A"]
    assert (found.observable, found.time) == ("heart_rate", "2020-05-05")


def test_one_subject_written_in_two_ways_is_one(tmp_path):
    other = {"subject": {"reference": "http://fhir.example/Patient/A/_history/2", "display": "somebody"}}
    groups = [group("a", "m") | of_day("2020-01-01"), group("b", "m") | of_day("2020-01-01") | other]
    assert len(read_bundle(tmp_path, *groups, bare("m"))["A"]) == 1


def test_contained_panel_within_a_panel_hands_down_time_subject_and_place(tmp_path):
    member = bare("s", 44)
    inner = without_subject(group("g")) | {"hasMember": [{"reference": "#s"}]}
    outer = observation(concept(PULMONARY), id="o", contained=[member, inner], hasMember=[{"reference": "#g"}])
    whole = group("w", "o") | of_day("2020-01-01")
    (found,) = read_bundle(tmp_path, without_subject(outer), whole)["A"]
    assert (found.observable, found.time) == ("pa_pressure_systolic", "2020-01-01")
    inner |= of_day("2019-01-01") | {"subject": {"reference": "Patient/B"}}
    (found,) = read_bundle(tmp_path, outer | {"contained": [member, inner]} | of_day("2020-01-01"))["B"]
    assert (found.observable, found.time) == ("pa_pressure_systolic", "2019-01-01")


def test_circle_of_contained_panels_is_named(tmp_path):
    inner = group("g") | {"hasMember": [{"reference": "#s"}, {"reference": "#g"}]}
    outer = observation(concept(PULMONARY), contained=[bare("s", 44), inner], hasMember=[{"reference": "#g"}])
    (row,) = [row for row in read_bundle(tmp_path, outer).rows if row.text == "44"]
    assert row.fate == "quarantined" and "circle (#g -> #g)" in row.reason


def test_subject_that_a_panel_contains_is_the_patient_of_its_members(tmp_path):
    inside = {"resourceType": "Patient", "id": "p", "birthDate": "1950-06-01"}
    panel = group("o", "i") | of_day("2020-01-01") | {"subject": {"reference": "#p"}, "contained": [inside]}
    records = read_bundle(tmp_path, bare("m"), without_subject(group("i", "m")), panel)
    assert records.patients == ["o#p"] and len(records["o#p"]) == 1 and records["o#p"].covariates == {"age": 69}


def test_reference_to_a_version_is_one_to_the_resource_and_a_questionnaire_is_no_member(tmp_path):
    panel = group("o") | of_day("2020-01-01")
    for reference, time in (("Observation/m/_history/3", "2020-01-01"), ("QuestionnaireResponse/m", None)):
        made = panel | {"hasMember": [{"reference": reference}]}
        member_ = observation(concept(SYSTOLIC), 120, id="m", subject={"reference": "Patient/A/_history/2"})
        assert [m.time for m in read_bundle(tmp_path, made, member_)["A"]] == [time]


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
