"""FHIR R4 from plain JSON: panels and the codes in them, what is absent, refused or malformed."""

import json

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError

from .build import bundle, checked, component, concept, observation, only, quantity, read_bundle, values

SYSTOLIC, DIASTOLIC, MEAN = "8480-6", "8462-4", "8478-0"
PANELS = {
    "85354-9": ("sbp", "dbp", "map"),
    "55284-4": ("sbp", "dbp", "map"),
    "76284-9": ("pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean"),
    "60996-6": ("ra_pressure_max", "ra_pressure_min", "ra_pressure_mean"),
}


def panel(code, *components, **more):
    return observation(concept(code), component=list(components), **more)


@pytest.mark.parametrize("code", PANELS)
def test_generic_codes_take_their_site_from_the_panel(tmp_path, code):
    parts = [component(SYSTOLIC, value=45), component(DIASTOLIC, value=16), component(MEAN, value=30)]
    records = read_bundle(tmp_path, panel(code, *parts))
    assert {name: value for (name, _), value in values(records).items()} == dict(
        zip(PANELS[code], (45, 16, 30), strict=True)
    )


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        ("http://snomed.info/sct", "276756009", "rv_pressure_max"),
        ("urn:iso:std:iso:11073:10101", "150044", "pa_pressure_systolic"),
    ],
)
def test_panel_is_known_by_its_other_codes_too(tmp_path, system, code, name):
    whole = observation({"coding": [{"system": system, "code": code}]}, component=[component(SYSTOLIC, value=30)])
    assert values(read_bundle(tmp_path, whole)) == {(name, "catheter"): 30}


def test_specific_code_wins_over_the_generic_one_beside_it(tmp_path):
    whole = panel("76284-9", component(SYSTOLIC, "8440-0", value=45), component("8385-7", DIASTOLIC, value=16))
    assert list(values(read_bundle(tmp_path, whole))) == [
        ("pa_pressure_systolic", "catheter"),
        ("pa_pressure_diastolic", "catheter"),
    ]


def test_systolic_code_inside_an_unknown_group_never_becomes_a_cuff_pressure(tmp_path):
    row = only(records := read_bundle(tmp_path, panel("99999-9", component(SYSTOLIC, value=45))))
    assert not values(records) and "whose site is not known" in row.reason


def test_component_of_another_site_than_its_panel_is_a_conflict(tmp_path):
    row = only(read_bundle(tmp_path, panel("85354-9", component("8440-0", value=45))))
    assert "its code says pulmonary artery systolic pressure, but the group is arterial pressure" in row.reason


def test_codes_that_contradict_each_other_are_a_conflict(tmp_path):
    row = only(read_bundle(tmp_path, observation(concept("8440-0", "8432-7"), 45)))
    assert row.fate == "quarantined" and "its codes contradict each other" in row.reason


def test_panel_code_alone_does_not_say_which_pressure(tmp_path):
    row = only(read_bundle(tmp_path, observation(concept("60996-6"), 8)))
    assert "without saying systolic, diastolic or mean" in row.reason


def test_systolic_code_of_its_own_is_the_arm(tmp_path):
    assert values(read_bundle(tmp_path, observation(concept(SYSTOLIC), 120))) == {("sbp", "unspecified"): 120}


def test_method_says_the_modality_and_a_code_that_holds_one_keeps_it(tmp_path):
    records = read_bundle(
        tmp_path,
        observation(concept("8741-1"), 5.1, "L/min", method={"text": "Fick, estimated VO2"}),
        observation(concept("8737-9"), 5.3, "L/min", method={"text": "bolus"}),
        observation(concept("8811-2"), 55, "%"),
    )
    assert list(values(records)) == [("cardiac_output", "fick"), ("cardiac_output", "thermodilution"), ("lvef", "cmr")]


def test_age_comes_from_the_birth_date_at_the_measurement(tmp_path):
    person = {
        "resourceType": "Patient",
        "id": "A",
        "gender": "female",
        "birthDate": "1960-06-15",
        "name": [{"family": "Roe"}],
    }
    records = read_bundle(tmp_path, observation(concept(SYSTOLIC), 120, effectiveDateTime="2020-06-14"), person)
    assert records["A"].covariates == {"sex": "female", "age": 59.0}
    text = repr(records.table())
    assert "Roe" not in text and "1960" not in text


def test_birth_date_without_a_dated_measurement_gives_no_age(tmp_path):
    person = {"resourceType": "Patient", "id": "A", "gender": "other", "birthDate": "1960-06-15"}
    records = read_bundle(tmp_path, person, observation(concept(SYSTOLIC), 120))
    assert records["A"].covariates == {}
    assert [row.fate for row in records.rows] == ["quarantined", "quarantined", "used"]


def test_body_size_age_and_sex_observations_become_covariates(tmp_path):
    records = read_bundle(
        tmp_path,
        observation(concept("8302-2"), 1.8, "m"),
        observation(concept("29463-7"), 180, "[lb_av]"),
        observation(concept("30525-0"), 64, "a"),
        observation(concept("46098-0"), valueCodeableConcept=concept("LA2-8")),
    )
    known = records["A"].covariates
    assert known["sex"] == "male" and known["age"] == 64 and known["height"] == 180
    assert known["weight"] == pytest.approx(81.65, abs=0.01) and known["bsa"] == pytest.approx(2.02, abs=0.01)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (observation(concept(SYSTOLIC), 120, status="entered-in-error"), "its status says entered in error"),
        (
            observation(concept(SYSTOLIC), dataAbsentReason={"coding": [{"code": "not-performed"}]}),
            "recorded as absent: not-performed",
        ),
        (observation(concept(SYSTOLIC)), "there is no value"),
        (observation(concept("85354-9"), hasMember=[{"reference": "Observation/1"}]), "only points to other entries"),
        (
            observation(concept(SYSTOLIC), valueRange={"low": quantity(90), "high": quantity(12, "kPa")}),
            "the ends of the range are in two units",
        ),
        (observation(concept(SYSTOLIC), valueRange={"low": quantity("x"), "high": quantity(120)}), "text in a number"),
        (observation(concept(SYSTOLIC), valueQuantity={"value": 120}), "the unit is missing"),
        (
            observation(concept(SYSTOLIC), valueQuantity={"value": 16, "unit": "kPa", "code": "mm[Hg]"}),
            "contradict each other",
        ),
        (observation(concept(SYSTOLIC), valueQuantity="120"), "is not a number"),
        (observation(concept(SYSTOLIC), valueQuantity=quantity(True)), "is not a number"),
        (observation(concept(SYSTOLIC), valueQuantity=quantity([120])), "is not a number"),
        (observation(concept(SYSTOLIC), valueQuantity=quantity(10**300)), "too large for any measurement"),
        (observation(concept(SYSTOLIC), valueQuantity=quantity(float("nan"))), "recorded as missing"),
        (observation(concept(SYSTOLIC), valueQuantity=quantity(float("inf"))), "infinite"),
        (observation(concept(SYSTOLIC), valueString="high"), "text where a number is expected"),
        (observation(concept(SYSTOLIC), valueSampledData={"data": "1 2"}), "is not a single reading"),
        (observation({"text": "shoe size"}, 43, "cm"), "is no observable or code that is known"),
        (observation(concept(SYSTOLIC), 120, subject={}), "no patient is named"),
        (observation(concept(SYSTOLIC), 120, subject="Patient/A"), "no patient is named"),
        (observation(concept(SYSTOLIC), component=["systolic"]), "the component is not an object"),
        (None, "`resourceType` is missing"),
        ({"resourceType": 7}, "`resourceType` is missing"),
        ({"resourceType": "Patient", "gender": "male"}, "the Patient has no id"),
    ],
)
def test_entry_that_cannot_be_used_costs_itself_only(tmp_path, resource, reason):
    records = read_bundle(tmp_path, resource, observation(concept("8867-4"), 70, "/min"))
    bad, good = records.rows
    assert bad.fate == "quarantined" and reason in bad.reason
    assert bad.origin.startswith("b.json entry 1") and good.fate == "used"


def test_value_that_was_never_taken_is_told_no_allowed_range(tmp_path):
    absent = observation(concept(SYSTOLIC), dataAbsentReason={"coding": [{"code": "not-performed"}]})
    (row,) = read_bundle(tmp_path, absent).rows
    assert row.reason == "recorded as absent: not-performed"


def test_unit_printed_beside_an_unknown_code_is_believed(tmp_path):
    whole = observation(concept(SYSTOLIC), valueQuantity={"value": 120, "unit": "mmHg", "code": "mmHg-ish"})
    assert values(read_bundle(tmp_path, whole)) == {("sbp", "unspecified"): 120}


def test_other_resources_are_counted_by_type(tmp_path):
    others = [{"resourceType": "Condition"}] * 3
    records = read_bundle(tmp_path, observation(concept(SYSTOLIC), 120), *others)
    assert records.rows[1].text == "3 entries" and records.rows[1].field == "Condition"


def test_reference_by_full_url_reaches_the_patient(tmp_path):
    path = tmp_path / "b.json"
    person = {"fullUrl": "urn:uuid:77", "resource": {"resourceType": "Patient", "id": "A", "gender": "male"}}
    reading = {"resource": observation(concept(SYSTOLIC), 120, subject={"reference": "urn:uuid:77"})}
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [reading, person]}))
    records = checked(ht.read(path))
    assert records.patients == ["A"] and records["A"].covariates == {"sex": "male"}


def test_contained_patients_of_two_observations_are_not_one(tmp_path):
    one, two = (observation(concept(SYSTOLIC), 100 + k, id=f"o{k}", subject={"reference": "#p"}) for k in (1, 2))
    assert len(read_bundle(tmp_path, one, two)) == 2


@pytest.mark.parametrize("shape", ["list", "single", "ndjson", "bundle line", "concatenated"])
def test_every_shape_of_file_reads_alike(tmp_path, shape):
    one, two = observation(concept(SYSTOLIC), 120), observation(concept(DIASTOLIC), 80)
    name, text = {
        "list": ("r.json", json.dumps([one, two])),
        "single": (
            "r.json",
            json.dumps(panel("85354-9", component(SYSTOLIC, value=120), component(DIASTOLIC, value=80))),
        ),
        "ndjson": ("r.ndjson", json.dumps(one) + "\n\n" + json.dumps(two)),
        "bundle line": (
            "r.ndjson",
            json.dumps({"resourceType": "Bundle", "entry": [{"resource": one}, {"resource": two}]}),
        ),
        "concatenated": ("r.json", json.dumps(one) + "\n" + json.dumps(two)),
    }[shape]
    (tmp_path / name).write_text(text)
    assert list(values(checked(ht.read(tmp_path / name))).values()) == [120, 80]


def test_bad_line_of_an_export_costs_that_line_only(tmp_path):
    path = tmp_path / "r.ndjson"
    lines = [json.dumps(observation(concept(SYSTOLIC), 120)), '{"resourceType": "Obs', "[" * 100_000, "{} {}"]
    path.write_text("\n".join(lines))
    records = checked(ht.read(path))
    assert [row.fate for row in records.rows] == ["used", "quarantined", "quarantined", "quarantined"]
    assert records.rows[1].origin == "r.ndjson line 2" and "malformed JSON" in records.rows[1].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"resourceType": "Bundle", "entry": [{"resource": ', "line 1: the JSON is cut off"),
        ('{"resourceType": "Bundle",\n "entry": [{"a": 1} {"b": 2}]}', "line 2: malformed JSON"),
        ('{"resourceType": "Bundle", "entry": [tru]}', "malformed JSON"),
        ('{"resourceType": "Bundle" "entry": []}', "malformed JSON"),
        ("hello", "a record is an object or a list"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("", "the file is empty"),
        ("   \n ", "no FHIR resource"),
        ("{}", "no FHIR resource"),
        ('{"resourceType": "Bundle", "entry": 5}', "no FHIR resource"),
    ],
)
def test_file_that_is_no_bundle_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"b\.json.*{message}"):
        ht.read(path)


def test_entries_across_chunk_borders_are_read_whole(tmp_path, monkeypatch):
    path = bundle(
        tmp_path, *(observation(concept(SYSTOLIC), 100 + k, subject={"reference": f"Patient/P{k}"}) for k in range(9))
    )
    whole = ht.read(path)
    monkeypatch.setattr("hemotwin.records.readers.json_stream._CHUNK", 7)
    pieces = checked(ht.read(path))
    assert [row.message for row in pieces.rows] == [row.message for row in whole.rows] and len(pieces) == 9


def test_entry_without_end_is_refused_before_memory_fills(tmp_path, monkeypatch):
    path = bundle(tmp_path, {"resourceType": "Binary", "data": "x" * 5000})
    monkeypatch.setattr("hemotwin.records.readers.json_stream.ELEMENT_LIMIT", 1000)
    monkeypatch.setattr("hemotwin.records.readers.json_stream._CHUNK", 100)
    with pytest.raises(InputError, match="no end of an entry within 1,000 characters"):
        ht.read(path)


@pytest.mark.parametrize(
    ("value", "kind", "lower", "upper"),
    [
        ({"valueQuantity": quantity(200) | {"comparator": ">"}}, "censored", 200, None),
        ({"valueQuantity": quantity(90) | {"comparator": "<="}}, "censored", None, 90),
        ({"valueRange": {"low": quantity(90), "high": quantity(120)}}, "interval", 90, 120),
        ({"valueRange": {"high": quantity(120)}}, "censored", None, 120),
        ({"valueString": "110-120"}, None, None, None),  # a text brings no unit
    ],
)
def test_limit_and_range_keep_their_kind(tmp_path, value, kind, lower, upper):
    measured = [(m.kind, m.lower, m.upper) for m in read_bundle(tmp_path, observation(concept(SYSTOLIC), **value))["A"]]
    assert measured == ([] if kind is None else [(kind, lower, upper)])


@pytest.mark.parametrize(
    "resource",
    [observation(concept("99999-9"), valueString="Zwickel was seen at noon"),
     observation(concept(SYSTOLIC), valueString="Zwickel refused 2 times"),
     observation(concept("99999-9"), valueCodeableConcept={"text": "brother of Zwickel"}),
     observation(concept(SYSTOLIC), 900, dataAbsentReason={"text": "x"}, note=[{"text": "Zwickel"}]),
     observation(concept(SYSTOLIC), component=["Zwickel"]), "Zwickel", ["Zwickel"]],
)  # fmt: skip
def test_free_text_is_in_no_row(tmp_path, resource):
    records = read_bundle(tmp_path, resource, observation(concept("8867-4"), 70, "/min"))
    assert len(records.rows) == 2 and "Zwickel" not in str(list(records.rows))
    lines = tmp_path / "x.ndjson"
    lines.write_text('{"text": "Zwickel was\n{"resourceType": "Patient", "id": "A"}\n')
    assert "Zwickel" not in str(list(checked(ht.read(lines)).rows))


def test_text_that_is_a_number_a_range_or_a_mistyped_number_is_shown(tmp_path):
    for text in ("120", "55-60", "1,5", "12/8"):
        (row,) = read_bundle(tmp_path, observation(concept(SYSTOLIC), valueString=text)).rows
        assert row.text == text
