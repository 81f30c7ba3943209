"""Measurements inside another FHIR resource are read as any other, or set aside with the reason; none is lost."""

import json

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import bundle, checked, component, concept, observation, quantity, values

SYSTOLIC, DIASTOLIC, PULMONARY, ARM, RATE = "8480-6", "8462-4", "76284-9", "85354-9", "8867-4"
DAY = {"effectiveDateTime": "2020-01-01"}
OF_B = {"subject": {"reference": "Patient/B"}}


def inner(name, value=70, code=RATE, unit="/min", **more):
    """A contained Observation: no subject, no time."""
    made = {"resourceType": "Observation", "id": name, "status": "final", "code": concept(code)}
    return made | ({} if value is None else {"valueQuantity": quantity(value, unit)}) | more


def container(kind="DiagnosticReport", *contained, parts=(), element="result", **more):
    made = {"resourceType": kind, "id": "c", "status": "final", "code": concept("11502-2")}
    made |= {"subject": {"reference": "Patient/A"}, "contained": list(contained)} | DAY
    return made | ({element: [{"reference": one} for one in parts]} if parts else {}) | more


def report(*contained, parts=(), **more):
    return container("DiagnosticReport", *contained, parts=parts, **more)


def panel(*contained, parts=(), **more):
    return container("Observation", *contained, parts=parts, element="hasMember", **more)


@pytest.fixture(params=["json", "ndjson", "line"])
def read(request, tmp_path):
    """A bundle, an export of one resource a line, or bundles on lines."""

    def reader(*resources):
        if request.param == "json":
            return checked(ht.read(bundle(tmp_path, *resources)))
        path = tmp_path / "b.ndjson"
        lines = [{"resourceType": "Bundle", "entry": [{"resource": one}]} for one in resources]
        path.write_text("".join(f"{json.dumps(one)}\n" for one in (resources if request.param == "ndjson" else lines)))
        return checked(ht.read(path))

    return reader


def found(records):
    return {(one.patient, m.observable, m.value, m.time) for one in records for m in one}


def aside(records, of="contained 1"):
    (row,) = [row for row in records.rows if of in row.origin and row.fate == "quarantined"]
    return row.reason


@pytest.mark.parametrize("made", [report, panel])
def test_part_of_a_container_has_its_subject_and_time(read, made):
    records = read(made(inner("r"), parts=["#r"]))
    assert found(records) == {("A", "heart_rate", 70, "2020-01-01")}
    (row,) = [row for row in records.rows if row.fate == "used"]
    assert row.origin.endswith("1 contained 1")


@pytest.mark.parametrize("made", [report, panel])
def test_what_a_contained_observation_says_itself_goes_before_its_container(read, made):
    own = inner("r", effectiveDateTime="2019-05-05", **OF_B)
    assert found(read(made(own, parts=["#r"]))) == {("B", "heart_rate", 70, "2019-05-05")}


@pytest.mark.parametrize("kind", ["Procedure", "Encounter", "Condition", "MedicationRequest"])
def test_other_containers_lend_nothing_and_a_complete_observation_is_read_in_them(read, kind):
    pointing = {"reasonReference": [{"reference": "#r"}, {"reference": "#s"}]}
    whole = container(kind, inner("r"), inner("s", **OF_B, effectiveDateTime="2019-05-05"), **pointing)
    records = read(whole)
    assert found(records) == {("B", "heart_rate", 70, "2019-05-05")}
    assert f"it has no subject of its own, and a {kind} that contains it gives it none" in aside(records)
    (left,) = [row for row in records.rows if row.field == kind]
    assert left.text == "1 entries" and "what it contains is read" in left.reason


@pytest.mark.parametrize("made", [report, panel])
def test_observation_that_its_container_does_not_name_as_a_part_has_nothing_of_it(read, made):
    records = read(made(inner("r"), derivedFrom=[{"reference": "#r"}]))
    assert not found(records) and "does not name it in" in aside(records)
    assert found(read(made(inner("r", **OF_B), derivedFrom=[{"reference": "#r"}]))) == {("B", "heart_rate", 70, None)}


def test_contained_panel_with_components_and_members_is_followed_to_any_depth(read):
    parts = [component(SYSTOLIC, value=44), component(DIASTOLIC, value=16)]
    deep = inner("d", None, PULMONARY, component=parts)
    middle = inner("m", None, "85353-1", hasMember=[{"reference": "#d"}])
    member = inner("s", 121, SYSTOLIC, "mm[Hg]")
    arm = inner("a", None, ARM, hasMember=[{"reference": "#s"}], effectiveDateTime="2020-01-01T09:00")
    records = read(report(deep, member, middle, arm, parts=["#m", "#a"]))
    assert found(records) == {
        ("A", "pa_pressure_systolic", 44, "2020-01-01"),
        ("A", "pa_pressure_diastolic", 16, "2020-01-01"),
        ("A", "sbp", 121, "2020-01-01T09:00"),
    }
    assert {row.origin.rpartition("contained ")[2] for row in records.rows if row.fate == "used"} == {
        "1 component 1", "1 component 2", "2",
    }  # fmt: skip


def test_generic_code_takes_its_site_from_the_report_or_panel_that_it_is_part_of(read):
    member = inner("s", 44, SYSTOLIC, "mm[Hg]")
    for made in (report, panel):
        assert list(values(read(made(member, parts=["#s"], code=concept(PULMONARY))))) == [
            ("pa_pressure_systolic", "catheter")
        ]


def test_unnamed_part_of_a_panel_of_another_place_is_never_an_arm_pressure(read):
    own = inner("s", 44, SYSTOLIC, "mm[Hg]") | {"subject": {"reference": "Patient/A"}}
    for made in (report, panel):
        assert list(values(read(made(own, code=concept(PULMONARY))))) == [("pa_pressure_systolic", "catheter")]


def test_one_id_within_two_containers_is_two_resources(read):
    first = report(inner("r", 60), parts=["#r"])
    second = report(inner("r", 90), parts=["#r"]) | {"id": "d"} | OF_B
    assert {(patient, value) for patient, _, value, _ in found(read(first, second))} == {("A", 60), ("B", 90)}


def test_contained_observation_is_no_member_of_what_is_outside_its_container(read):
    outside = observation(concept(PULMONARY), id="o", hasMember=[{"reference": "Observation/s"}, {"reference": "#s"}])
    whole = report(inner("s", 121, SYSTOLIC, "mm[Hg]"), parts=["#s"])
    records = read(outside, whole)
    assert [m.observable for m in records["A"]] == ["sbp"]
    assert any("hasMember points to something contained that is not there" in row.reason for row in records.rows)


def test_member_outside_of_a_contained_panel_has_its_place_and_time(read):
    within = inner("g", None, PULMONARY, hasMember=[{"reference": "Observation/m"}], **DAY)
    member = observation(concept(SYSTOLIC), 44, id="m")
    for made in (report, panel):
        assert found(read(member, made(within, parts=["#g"]))) == {("A", "pa_pressure_systolic", 44, "2020-01-01")}


def person(name, **more):
    return {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1950-06-01"} | more


def test_contained_patient_of_a_report_is_the_patient_of_its_results(read):
    whole = report(inner("r"), person("p"), parts=["#r"], subject={"reference": "#p"})
    records = read(whole)
    assert found(records) == {("c#p", "heart_rate", 70, "2020-01-01")}
    assert records["c#p"].covariates == {"sex": "female", "age": 69} and not records["c#p"].identified
    named = person("p", identifier=[{"system": "urn:mrn", "value": "77"}])
    records = read(report(inner("r"), named, parts=["#r"], subject={"reference": "#p"}))
    assert records.patients == ["77"] and records["77"].identified


def test_contained_observation_of_another_contained_patient_is_not_of_the_container_s(read):
    child = inner("r", subject={"reference": "#child"})
    for made in (report, panel):
        whole = made(child, person("child"), person("mother"), parts=["#r"], subject={"reference": "#mother"})
        records = read(whole)
        assert {(patient, value) for patient, _, value, _ in found(records)} == {("c#child", 70)}
        assert records["c#child"].covariates["sex"] == "female"


@pytest.mark.parametrize("long", ["", "x" * 64])
def test_patients_of_containers_without_an_id_stay_apart(read, long):
    first, second = (
        report(inner("r", value), person("p"), person("q"), parts=["#r"], subject={"reference": f"#{who}"})
        | {"id": long}
        for value, who in ((60, "p"), (90, "q" if long else "p"))
    )
    records = read(first, second)
    assert sorted(value for _, _, value, _ in found(records)) == [60, 90]
    assert len({patient for patient, *_ in found(records)}) == 2


def test_patient_that_two_contained_resources_are_called_is_neither(read):
    both = [person("p", identifier=[{"system": "urn:mrn", "value": value}]) for value in ("77", "78")]
    for made in (report, panel):
        records = read(made(inner("r"), *both, parts=["#r"], subject={"reference": "#p"}))
        assert not records.patients and "no patient is named" in aside(records)


def test_subject_that_is_no_person_is_nobody(read):
    device = {"resourceType": "Device", "id": "d"}
    for subject in ({"reference": "Group/g"}, {"reference": "http://x/Location/l/_history/1"}, {"reference": "#d"}):
        records = read(observation(concept(RATE), 70, "/min", id="o", subject=subject, contained=[device]))
        assert not records.patients
        assert "no patient is named" in next(row.reason for row in records.rows if row.field == RATE)


@pytest.mark.parametrize(
    ("outer", "own", "reason"),
    [
        ({"status": "entered-in-error"}, {}, "its status says entered in error"),
        ({}, {"status": "entered-in-error"}, "its status says entered in error"),
        ({"status": "cancelled"}, {}, "its status says cancelled"),
        ({"meta": {"tag": [{"system": "urn:hemotwin:value-origin", "code": "predicted by a model"}]}}, {}, "marked as"),
        ({"meta": {"tag": [{"system": "urn:hemotwin:value-origin", "code": "measured"}]}},
         {"meta": {"tag": [{"system": "urn:hemotwin:value-origin", "code": "predicted by a model"}]}}, "marked as"),
        ({"effectiveDateTime": None, "hasMember": [{"reference": "#r"}, {"reference": "#r2"}]},
         {"hasMember": [{"reference": "#r"}]}, "hasMember runs in a circle (#r -> #r)"),
    ],
)  # fmt: skip
def test_status_and_marks_of_container_and_contained_both_count(read, outer, own, reason):
    records = read(panel(inner("r", **own), parts=["#r"]) | outer)
    assert not found(records) and reason in aside(records)


def test_every_contained_entry_that_is_not_read_is_accounted_for(read):
    nested = inner("n", contained=[inner("deep"), inner("deeper")])
    others = [{"resourceType": "Specimen", "id": "s"}, {"resourceType": "Specimen", "id": "t"}, person("p")]
    records = read(
        report(None, "text", {"id": "x"}, nested, *others, inner("r"), inner("r"), parts=["#n", "#r", "#gone"])
    )
    reasons = [row.reason for row in records.rows if row.fate == "quarantined"]
    assert sum("`resourceType` is missing" in one for one in reasons) == 3
    assert sum("contained in what is itself contained" in one for one in reasons) == 2
    assert sum("several contained resources have its id" in one for one in reasons) == 2
    assert sum("result points to something contained that is not there" in one for one in reasons) == 1
    counted = {row.field: row.text for row in records.rows if "resource type" in row.origin}
    assert counted == {
        "DiagnosticReport": "1 entries", "contained Specimen": "2 entries", "contained Patient": "1 entries",
    }  # fmt: skip
    assert len(records.rows) == 3 + 2 + 2 + 1 + 3 + 1 and found(records) == {("A", "heart_rate", 70, "2020-01-01")}


def test_contained_that_is_no_list_and_references_that_are_words_cost_themselves_only(read):
    records = read(
        report(parts=["#Zwickel was here"]) | {"contained": {"id": "r"}}, observation(concept(RATE), 71, "/min")
    )
    reasons = [row.reason for row in records.rows]
    assert any("`contained` must be a list" in one for one in reasons)
    assert found(records) == {("A", "heart_rate", 71, None)} and "Zwickel" not in str(list(records.rows))


def test_contained_encounter_is_known_by_its_identifier_alone(read, tmp_path):
    def visit(value, day, **more):
        meeting = {"resourceType": "Encounter", "id": "e", **more}
        made = observation(concept(RATE), value, "/min", id=f"o{value}", encounter={"reference": "#e"})
        return made | {"contained": [meeting], "effectiveDateTime": day}

    meeting = {"resourceType": "Encounter", "id": "e", "identifier": [{"value": "V1"}]}
    part = inner("s", 121, SYSTOLIC, "mm[Hg]")
    whole = report(part, meeting, parts=["#s"], encounter={"reference": "#e"})
    first, second = (
        visit(value, "2020-01-01", identifier=[{"value": name}]) for value, name in ((60, "V1"), (80, "V2"))
    )
    read(first, second, visit(90, "2020-02-02"), whole)
    path = next(tmp_path.glob("b.*"))
    for name, values_ in (("V1", {60, 121}), ("V2", {80})):
        assert {m.value for m in ht.read(path, visit=f"id:{name}")["A"]} == values_
    with pytest.raises(InputError, match="names the encounter `#e`"):
        ht.read(path, visit="id:#e")


def test_consent_of_a_container_is_that_of_what_it_contains(tmp_path):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
    path = bundle(tmp_path, report(inner("r"), parts=["#r"], meta={"security": [label]}))
    assert {m.consent for m in ht.read(path)["A"]} == {("research",)}
