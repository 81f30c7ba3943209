"""k counts distinct people: visits of one person, and records of nobody in particular, make no crowd."""

from __future__ import annotations

import json

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.anonymity import as_shown, check_anonymity, shown_of, smallest_class
from hemotwin.records.deidentify import deidentify
from hemotwin.records.persons import persons_of
from hemotwin.records.secret import Secret, new_secret
from tests.records.build import bundle, checked, concept, observation, read_bundle, table

SYSTOLIC = "8480-6"
VISIT = {"sex": "male", "age": 60.0}


def refusal(tmp_path, capsys, record, k=2, *more) -> str:
    """What the command line says when it refuses; "" when it writes the table."""
    key, out = tmp_path / "key", tmp_path / "out.csv"
    if not key.exists():
        new_secret(key)
    code = main(["deidentify", str(record), "--key-file", str(key), "--out", str(out), "--k", str(k), *more])
    said = capsys.readouterr().err
    assert out.exists() == (code == 0)
    out.unlink(missing_ok=True)
    return said if code else ""


def test_visits_of_one_person_are_one_and_two_people_are_two():
    one = [VISIT | {"person": "A"}] * 7
    assert smallest_class(one) == 1 and smallest_class([*one, VISIT | {"person": "B"}]) == 2
    check_anonymity([*one, VISIT | {"person": "B"}], 2)
    with pytest.raises(InputError, match=r"2-anonymous .* but 1 of 1 people .* 6 of 7 patients are likely further"):
        check_anonymity(one, 2)


def test_people_nobody_knows_are_one_alone_and_none_beside_others():
    unknown, known = [VISIT | {"person": ""}] * 5, [VISIT | {"person": "A"}]
    assert smallest_class(unknown) == 1 and smallest_class([*unknown, *known]) == 1
    with pytest.raises(InputError, match=r"1 of 1 people .* 5 of 6 patients are named by a file or resource alone"):
        check_anonymity([*unknown, *known], 2)


def test_entries_that_say_nothing_of_the_person_are_a_person_each():
    assert smallest_class([VISIT] * 3) == 3


def test_visits_under_names_of_their_own_do_not_fill_a_group(tmp_path, capsys):
    """A wide table of visits: the header that says whose they are is taken, wherever it stands."""
    visits = [f"v{k},A,60,{110 + k},2020-01-0{k}" for k in range(1, 6)]
    header = "id,patient_id,age [a],sbp [mmHg],date"
    path = table(tmp_path, *visits, header=header)
    assert checked(ht.read(path)).patients == ["A"]
    assert "but 1 of 1 people" in refusal(tmp_path, capsys, path)
    assert refusal(tmp_path, capsys, table(tmp_path, *visits, "v9,B,60,118,2020-03-01", header=header)) == ""


def test_repeat_visits_under_two_names_are_one_person(tmp_path, capsys):
    body = [("age", 60, "a"), ("height", 171, "cm"), ("weight", 70.5, "kg"), ("sbp", 121, "mmHg"), ("dbp", 73, "mmHg")]
    rows = [f"{name},{what},{value},{unit}" for name in "ABC" for what, value, unit in body]
    path = table(tmp_path, *rows, *(f"{name},hr,{rate},/min" for name, rate in zip("ABC", (61, 62, 63), strict=True)))
    records = checked(ht.read(path))
    assert set(persons_of(list(records)).values()) == {"A"}
    said = refusal(tmp_path, capsys, path)
    assert "1 of 1 people" in said and "2 of 3 patients are likely further visits" in said
    assert refusal(tmp_path, capsys, path, 1) == ""
    stranger = [f"D,{what},{value},{unit}" for what, value, unit in body[:3]] + ["D,sbp,130,mmHg", "D,dbp,80,mmHg"]
    assert refusal(tmp_path, capsys, table(tmp_path, *rows, *stranger)) == ""


def of_nobody(k):
    inside = {"resourceType": "Patient", "id": "p", "gender": "male"}
    return observation(concept(SYSTOLIC), 120, id=f"o{k}", subject={"reference": "#p"}, contained=[inside])


def test_patients_that_only_their_resource_names_do_not_fill_a_group(tmp_path, capsys):
    path = bundle(tmp_path, *(of_nobody(k) for k in range(5)))
    records = checked(ht.read(path))
    assert len(records) == 5 and not any(one.identified for one in records)
    said = refusal(tmp_path, capsys, path)
    assert "but 1 of 1 people" in said and "5 of 5 patients are named by a file or resource alone" in said
    named = [observation(concept(SYSTOLIC), 120, subject={"reference": f"Patient/{name}"}) for name in "AB"]
    people = [{"resourceType": "Patient", "id": name, "gender": "male"} for name in "AB"]
    assert refusal(tmp_path, capsys, bundle(tmp_path, *(of_nobody(k) for k in range(5)), *named, *people)) == ""


def test_files_that_name_no_patient_do_not_fill_a_group_and_a_name_from_elsewhere_counts(tmp_path, capsys):
    folder = tmp_path / "visits"
    folder.mkdir()
    for k in (1, 2, 3):
        rate = {"observations": [{"observable": "heart_rate", "value": 70, "unit": "/min"}]}
        (folder / f"J{k}.json").write_text(json.dumps(rate))
        (folder / f"V{k}.csv").write_text("observable,value,unit\nhr,70,/min\n")
        (folder / f"W{k}.csv").write_text("hr [/min]\n70\n")
    assert not any(one.identified for one in checked(ht.read(folder)))
    assert "9 of 9 patients are named by a file or resource alone" in refusal(tmp_path, capsys, folder)
    (folder / "zz.csv").write_text("patient,observable,value,unit\nV1,hr,70,/min\nJ2,hr,70,/min\n")
    known = {one.patient for one in checked(ht.read(folder)) if one.identified}
    assert known == {"V1", "J2"} and refusal(tmp_path, capsys, folder) == ""
    (folder / "zz.csv").rename(folder / "a.csv")  # whichever file comes first
    assert {one.patient for one in checked(ht.read(folder)) if one.identified} == known


def test_pseudonyms_and_rounding_keep_who_is_known_and_every_row_its_fate(tmp_path):
    records = read_bundle(tmp_path, of_nobody(1), of_nobody(2))
    safe = checked(deidentify(records, Secret(b"k" * 32)))
    assert [one.identified for one in safe] == [False, False]
    assert [shown_of(as_shown(one, {"time": 1}))["person"] for one in safe] == ["", ""]
    assert safe.summary() == records.summary()


MRN = {"system": "urn:mrn", "value": "77"}


def patients(*more, names="AB"):
    """Two men of whom a blood pressure is known each, and what else their Patient resources say."""
    people = [
        {"resourceType": "Patient", "id": name, "gender": "male"} | one for name, one in zip(names, more, strict=True)
    ]
    readings = [
        observation(concept(SYSTOLIC), 120 + k, id=f"o{k}", subject={"reference": f"Patient/{name}"})
        for k, name in enumerate(names)
    ]
    return [*people, *readings]


@pytest.mark.parametrize(
    "told",
    [
        ({"identifier": [MRN]}, {"identifier": [{"system": "urn:other", "value": "5"}, MRN]}),
        ({"link": [{"other": {"reference": "Patient/B"}, "type": "replaced-by"}]}, {}),
        ({}, {"link": [{"other": {"reference": "http://fhir.example/Patient/A/_history/2"}, "type": "replaces"}]}),
        ({}, {"link": [{"other": {"reference": "Patient/A"}, "type": "refer"}]}),
        ({}, {"link": [{"other": {"reference": "Patient/A"}, "type": "seealso"}]}),
        ({"identifier": [MRN]}, {"link": [{"other": {"identifier": MRN}, "type": "seealso"}]}),
        tuple({"link": [{"other": {"reference": "Patient/gone"}, "type": "replaced-by"}]} for _ in "AB"),
        tuple({"link": [{"other": {"reference": "RelatedPerson/r"}, "type": "seealso"}]} for _ in "AB"),
    ],
)
def test_patients_who_share_an_identifier_or_are_linked_are_one_person(tmp_path, capsys, told):
    path = bundle(tmp_path, *patients(*told))
    records = checked(ht.read(path))
    assert records.patients == ["A", "B"] and set(persons_of(list(records)).values()) == {"A"}
    assert set(persons_of(list(records.select(["B"]))).values()) == {"A"}
    said = refusal(tmp_path, capsys, path)
    assert "1 of 1 people" in said and "1 of 2 patients are likely further visits of another (by an identifier" in said
    assert (
        main(
            ["deidentify", str(path), "--key-file", str(tmp_path / "key"), "--out", str(tmp_path / "x.csv"), "--k", "1"]
        )
        == 0
    )
    assert "1 of the 2 patients written is a further visit" in " ".join(capsys.readouterr().out.split())
    other = patients(*told, {"identifier": [{"system": "urn:other", "value": "77"}]}, names="ABC")
    assert refusal(tmp_path, capsys, bundle(tmp_path, *other)) == ""  # the same value in another system is another


def test_a_person_resource_and_files_of_one_folder_tell_that_patients_are_one(tmp_path, capsys):
    links = [{"target": {"reference": f"Patient/{name}"}} for name in "AB"]
    path = bundle(tmp_path, *patients({}, {}), {"resourceType": "Person", "id": "p", "link": links})
    assert "1 of 1 people" in refusal(tmp_path, capsys, path)
    folder = tmp_path / "export"
    folder.mkdir()
    for name, file in (("A", "one.ndjson"), ("B", "two.ndjson")):
        those = patients({"identifier": [MRN]}, names=name)
        (folder / file).write_text("".join(f"{json.dumps(one)}\n" for one in those))
    by_identifier = observation(concept("8867-4"), 70, "/min", subject={"identifier": MRN})
    (folder / "zz.ndjson").write_text(json.dumps(by_identifier) + "\n")
    records = checked(ht.read(folder))
    assert len(set(persons_of(list(records)).values())) == 1 and records.patients == ["A", "B", "77"]
    assert "1 of 1 people" in refusal(tmp_path, capsys, folder)


def test_people_who_share_nothing_stay_apart(tmp_path, capsys):
    nobody = {"resourceType": "Person", "link": []}
    other = [{"identifier": [{"system": "urn:mrn", "value": name}]} for name in "AB"]
    path = bundle(tmp_path, *patients(*other), nobody, nobody)
    records = checked(ht.read(path))
    assert persons_of(list(records)) == {"A": "A", "B": "B"} and not any(one.person for one in records)
    assert refusal(tmp_path, capsys, path) == ""
