"""Nothing that names a person leaves; intervals do; another key unlinks."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import traceback
from datetime import datetime

import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.anonymity import check_anonymity, generalised, smallest_class
from hemotwin.records.deidentify import Deidentifier, deidentify
from hemotwin.records.secret import Secret, load_secret, new_secret
from hemotwin.records.shifted_time import shifted_time
from tests.records.build import LOINC, bundle, checked, component, concept, observation, table

KEY, OTHER = Secret(b"k" * 32), Secret(b"another key of 32 bytes or more!")
HEADER = "patient,observable,value,unit,time,condition,method,sd"
# Every word here is an identifier or free text that must appear in no byte of any output.
IDENTIFIERS = ("Zwickelhuber", "MRN-90817263", "90817263", "ward Kestrel", "Kestrel", "2019-03-07", "2019-03-19",
               "mrs_zwickelhuber", "Dr Quandt", "Quandt", "nurse wrote", "1931-11-23")  # fmt: skip


def hostile(tmp_path):
    """A folder with names in patient ids, file names, conditions, methods, values, units, columns and reasons."""
    folder = tmp_path / "mrs_zwickelhuber 2019-03-07"
    folder.mkdir()
    who = "Zwickelhuber MRN-90817263"
    table(
        folder,
        f"{who},sbp,118,mmHg,2019-03-07T08:30:00,seen by Dr Quandt,cuff,",
        f"{who},dbp,71,mmHg,2019-03-07T08:30:00,seen by Dr Quandt,nurse wrote this,",
        f"{who},map,87,mmHg,2019-03-07T08:30:00,seen by Dr Quandt,cuff,",
        f"{who},heart rate,64,{{beats of Quandt}}/min,2019-03-19T08:30:00,,ward Kestrel monitor,",
        f"{who},heart rate,70,/min,2019-03-07T08:30:00,,ward Kestrel monitor,",
        f"{who},co,call Dr Quandt,L/min,2019-03-07,,,",
        f"{who},mrn,90817263,,2019-03-07,,,",
        f"{who},cvp,90817263,mmHg,2019-03-07,,,",
        f"{who},age,93,a,,,,",
        f"{who},sex,f,,,,,",
        f"{who},pcwp,17,mmHg,on ward Kestrel,,,",
        f"{who},padp,14,mmHg,2019-03-07,,,",
        header=HEADER,
        name="mrs_zwickelhuber.csv",
    )
    bundle(
        folder,
        {"resourceType": "Patient", "id": "MRN-90817263", "name": [{"family": "Zwickelhuber"}],
         "birthDate": "1931-11-23", "gender": "female"},
        observation(concept("85354-9"), subject={"reference": "Patient/MRN-90817263"}, effectiveDateTime="2019-03-07",
                    component=[component("8480-6", value=121), component("8462-4", value=300)]),
        observation({"coding": [{"system": LOINC, "code": "8867-4", "display": "rate told by Dr Quandt"}]}, 66, "/min",
                    subject={"reference": "Patient/MRN-90817263"}, effectiveDateTime="2019-03-19"),
        name="Zwickelhuber.json",
    )  # fmt: skip
    return folder


def everything(records) -> str:
    """All that the records can say of themselves, as one text."""
    parts = [repr(records), records._repr_html_(), repr(records.table()), str(records.source), records.sha256]
    parts += [json.dumps(dataclasses.asdict(one), default=str) for one in records]
    parts += [json.dumps(dataclasses.asdict(row)) + row.message for row in records.rows]
    return "\n".join(parts)


def found_in(text: str) -> list[str]:
    return [word for word in IDENTIFIERS if word.lower() in text.lower()]


def test_hostile_record_does_hold_every_identifier(tmp_path):
    text = everything(ht.read(hostile(tmp_path), window="30 d"))
    assert {"Zwickelhuber", "90817263", "Dr Quandt", "2019-03-07", "ward Kestrel"} <= set(found_in(text))


def test_no_identifier_is_in_anything_the_records_can_say(tmp_path):
    safe = checked(deidentify(ht.read(hostile(tmp_path), window="30 d"), KEY))
    assert found_in(everything(safe)) == []


def test_no_identifier_is_in_any_written_byte_or_on_any_stream(tmp_path, capsys):
    folder, out = hostile(tmp_path), tmp_path / "out"
    out.mkdir()
    key = new_secret(tmp_path / "key")
    assert main(["deidentify", str(folder), "--key-file", str(key), "--out", str(out / "x.csv"), "--k", "1"]) == 0
    assert main(["deidentify", str(folder), "--key-file", str(key), "--out", str(out / "y.csv"), "--k", "9"]) == 2
    assert main(["deidentify", str(folder / "absent_Quandt.csv"), "--key-file", str(key)]) == 2
    (folder / "Quandt.csv").write_text("Zwickelhuber,90817263\n1,2\n")
    assert main(["deidentify", str(folder / "Quandt.csv"), "--key-file", str(key)]) == 2
    streams = capsys.readouterr()
    written = "".join(path.read_text() for path in out.rglob("*") if path.is_file())
    assert written.count("\n") > 8
    assert found_in(written + streams.out + streams.err) == []
    assert key.read_text().strip() not in written + streams.out + streams.err
    assert not (out / "y.csv").exists()


def test_key_shows_itself_nowhere(tmp_path):
    key = tmp_path / "key"
    key.write_text("tiny-secret")
    with pytest.raises(InputError, match="at least 32 bytes") as caught:
        load_secret(key)
    assert "tiny-secret" not in "".join(traceback.format_exception(caught.value))
    assert f"{KEY} {KEY!r} {[KEY]}" == "<secret> <secret> [<secret>]"
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(KEY)


def test_key_comes_from_the_environment_or_is_asked_for(tmp_path, monkeypatch):
    path = new_secret(tmp_path / "key")
    monkeypatch.delenv("HEMOTWIN_KEY_FILE", raising=False)
    with pytest.raises(InputError, match="HEMOTWIN_KEY_FILE"):
        load_secret()
    monkeypatch.setenv("HEMOTWIN_KEY_FILE", str(path))
    assert load_secret().digest("a") == load_secret(path).digest("a")
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="already there"):
        new_secret(path)


def test_parts_of_a_digest_cannot_run_into_each_other():
    assert KEY.digest("a", "bc") != KEY.digest("a", "b", "c") != KEY.digest("ab", "c")


def test_same_key_links_and_another_key_unlinks(tmp_path):
    records = ht.read(hostile(tmp_path), window="30 d")
    first, again, other = (deidentify(records, key) for key in (KEY, KEY, OTHER))
    assert everything(first) == everything(again)
    tokens = set(re.findall(r"S-\w{16}|row \w{16}|state \w{8}|[0-9a-f]{64}", everything(first)))
    assert len(tokens) > 20
    assert not any(token in everything(other) for token in tokens)


def test_intervals_and_times_of_day_stay(tmp_path):
    records = ht.read(hostile(tmp_path), window="30 d")
    (name,) = {m.patient for one in records for m in one if m.observable == "dbp"}
    safe = deidentify(records, KEY)[Deidentifier(KEY).pseudonym(name)]
    before = {m.observable: m.time for m in records[name]}
    after = {m.observable: m.time for m in safe}
    gap = {
        which: datetime.fromisoformat(times["heart_rate"]) - datetime.fromisoformat(times["dbp"])
        for which, times in (("before", before), ("after", after))
    }
    assert gap["before"] == gap["after"] and gap["before"].days == 12
    assert before["dbp"][10:] == after["dbp"][10:] == "T08:30"
    assert before["dbp"][:10] != after["dbp"][:10]
    assert after["pcwp_mean"] is None  # free text in the place of a time


@pytest.mark.parametrize(
    "text", ["2020", "2020-05", "2020-02-28", "20200228", "20200228101500", "2020-02-28T10:15:00Z", "1580000000",
             "12.5", "2020-02-28T23:59:59.250+02:00", "0"],
)  # fmt: skip
def test_every_form_of_a_time_moves_and_keeps_its_form(text):
    moved = shifted_time(text, 400)
    assert moved is not None and moved != text
    assert shifted_time(moved, -400) is not None
    if len(text) not in (4, 7):
        assert shifted_time(moved, -400).replace("+00:00", "Z") == text.replace(".250", ".250000")


@pytest.mark.parametrize("text", ["yesterday", "ward Kestrel", "2020-13-45", "07.03.2019", "", None])
def test_what_is_no_time_does_not_pass(text):
    assert shifted_time(text, 400) is None


def test_days_stay_within_their_range_and_differ_between_patients():
    days = [Deidentifier(KEY).days(f"patient {k}") for k in range(500)]
    assert all(31 <= abs(d) <= 3650 for d in days) and len(set(days)) > 400
    assert 150 < sum(d > 0 for d in days) < 350


def test_measured_values_are_unchanged_and_the_age_of_the_old_is_given_as_ninety(tmp_path):
    records = ht.read(hostile(tmp_path), window="30 d")
    safe = deidentify(records, KEY)
    values = lambda given: sorted((m.observable, m.value, m.modality, m.kind) for one in given for m in one)  # noqa: E731
    assert values(safe) == values(records)
    assert sorted(one.covariates["age"] for one in safe) == [87, 90]
    assert "ages above 89 a are given as 90" in {row.reason for row in safe.rows}


def test_conditions_stay_apart_without_their_words(tmp_path):
    path = table(tmp_path, "A,sbp,118,mmHg,,rest,,", "B,hr,90,/min,,exercise,,", "A,dbp,70,mmHg,,rest,,", header=HEADER)
    state = {m.observable: m.condition for one in deidentify(ht.read(path), KEY) for m in one}
    assert state["sbp"] == state["dbp"] != state["heart_rate"]
    assert all(re.fullmatch(r"state \w{8}", text) for text in state.values())


def test_written_table_reads_back_to_the_same_evidence(tmp_path):
    from hemotwin.records.write import write_csv

    records = ht.read(hostile(tmp_path), window="30 d")
    safe = deidentify(records, KEY)
    back = ht.read(write_csv(safe, tmp_path / "safe.csv"), window="30 d")
    evidence = lambda given: sorted((m.patient, m.channel, m.value, m.time, m.sd) for one in given for m in one.counted)  # noqa: E731
    assert evidence(back) == evidence(safe)
    assert {p: back[p].covariates for p in back.patients} == {one.patient: one.covariates for one in safe if len(one)}


PEOPLE = [{"sex": "female", "age": 61.0, "height": 160.0}] * 3 + [{"sex": "male", "age": 44.0, "height": 181.0}] * 2


def test_a_group_that_is_too_small_stops_the_export_without_naming_anyone():
    assert smallest_class(PEOPLE) == 2
    check_anonymity(PEOPLE, 2)
    with pytest.raises(
        InputError, match=r"3-anonymous in sex, age, height, but 2 of 5 people .* fewer than 3"
    ) as caught:
        check_anonymity(PEOPLE, 3)
    assert "44" not in str(caught.value) and "181" not in str(caught.value)


def test_not_recorded_is_a_value_of_its_own():
    assert smallest_class([*PEOPLE, {"sex": "male", "age": 44.0}]) == 1


def test_rounding_makes_groups_and_leaves_no_exact_surface_area():
    exact = {"sex": "male", "age": 44.0, "height": 181.0, "weight": 83.0, "bsa": 2.0428}
    coarse = generalised(exact, {"age": 10, "height": 10, "weight": 10})
    assert coarse == {"sex": "male", "age": 40.0, "height": 180.0, "weight": 80.0, "bsa": 2.0}
    assert generalised(exact, {"age": None, "weight": None, "height": 10}) == {"sex": "male", "height": 180.0}
    with pytest.raises(InputError, match="must be a number above 0"):
        generalised(exact, {"age": -1})


def test_command_line_rounds_until_the_group_is_large_enough(tmp_path, capsys):
    rows = [f"{name},{what},{value},{unit}" for name, age in (("A", 41), ("B", 44)) for what, value, unit in
            (("age", age, "a"), ("sbp", 120, "mmHg"))]  # fmt: skip
    path, key = table(tmp_path, *rows), new_secret(tmp_path / "key")
    given = ["deidentify", str(path), "--key-file", str(key), "--out", str(tmp_path / "x.csv"), "--k", "2"]
    assert main(given) == 2
    assert "2-anonymous in age" in capsys.readouterr().err
    assert main([*given, "--round", "age=10"]) == 0
    assert [one.covariates["age"] for one in ht.read(tmp_path / "x.csv")] == [40, 40]
    assert main([*given, "--round", "age"]) == 2


def test_command_line_writes_the_visit_that_is_asked_for(tmp_path, capsys):
    rows = [f"A,{what},{value},mmHg,{day}" for day, value in (("2019-01-01", 110), ("2020-01-01", 130))
            for what in ("sbp", "map")]  # fmt: skip
    path, key = table(tmp_path, *rows, header="patient,observable,value,unit,time"), new_secret(tmp_path / "key")
    given = ["deidentify", str(path), "--key-file", str(key), "--out", str(tmp_path / "x.csv"), "--k", "1"]
    for more, value in (([], 130), (["--visit", "2019-01-01"], 110)):
        assert main([*given, *more]) == 0
        assert "2 withheld" in (shown := capsys.readouterr().out) and "one visit of each patient" in shown
        (one,) = ht.read(tmp_path / "x.csv")
        assert {m.value for m in one} == {value}
    assert main([*given, "--visit", "someday"]) == 2


@pytest.mark.real_data
def test_synthetic_export_keeps_its_values_and_loses_its_names(data_folder):
    source = data_folder / "fhir_synthea_r4" / "hf_patients_trimmed.ndjson"
    records = ht.read(source)
    safe = checked(deidentify(records, KEY))
    text = everything(safe)
    assert not any(patient in text for patient in records.patients)
    assert sum(len(one) for one in safe) == sum(len(one) for one in records)
    assert not {m.time for one in records for m in one if m.time} & {m.time for one in safe for m in one}


def test_ranges_and_limits_are_written_and_read_back_as_such(tmp_path):
    from hemotwin.records.write import write_csv

    records = ht.read(table(tmp_path, "A,ef,55-60,%", "A,sbp,>180,mmHg", "A,pcwp,<12,mmHg", "A,dbp,71,mmHg"))
    back = ht.read(write_csv(records, tmp_path / "w.csv"))
    bounds = lambda given: {m.observable: (m.kind, m.value, m.lower, m.upper) for one in given for m in one}  # noqa: E731
    assert bounds(back) == bounds(records) and len(bounds(records)) == 4


def governed(tmp_path, *more):
    (tmp_path / "governance.yaml").write_text(
        "steward: Cardiology\nlicence: CC-BY-4.0\npolicy: research\nconsent:\n"
        + "".join(f"- {{patient: 'Zwickel {k}', purpose: research, decision: permit}}\n" for k in range(6))
        + "".join(more)
    )
    rows = [f"Zwickel {k},{what}" for k in range(6) for what in ("sbp,120,mmHg", "age,61,a")]
    return str(table(tmp_path, *rows)), str(tmp_path / "governance.yaml")


def test_policy_decides_over_the_table_and_travels_with_it(tmp_path, capsys):
    record, rules = governed(tmp_path, "- {patient: 'Zwickel 5', purpose: research, decision: withdrawn}\n")
    key, log, out = new_secret(tmp_path / "key"), tmp_path / "audit.log", tmp_path / "out.csv"
    given = [
        "deidentify",
        record,
        "--governance",
        rules,
        "--key-file",
        str(key),
        "--out",
        str(out),
        "--audit",
        str(log),
    ]
    assert main([*given, "--k", "1"]) == 0  # five are left, and the policy asks for five
    records = ht.read(out)
    assert len(records) == 5 and {one.covariates["age"] for one in records} == {60.0}
    assert records.governance is not None
    assert records.governance.facts() == {
        "steward": "Cardiology", "licence": "CC-BY-4.0", "policy": "research", "purpose": "research",
    }  # fmt: skip
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["read", "de-identified"]
    streams = capsys.readouterr()
    assert "wickel" not in log.read_text() + out.read_text() + streams.out + streams.err
    assert "wickel" not in (tmp_path / "out_governance.yaml").read_text()


def test_policy_that_asks_for_a_larger_group_is_not_lowered_by_the_caller(tmp_path, capsys):
    record, rules = governed(
        tmp_path, *(f"- {{patient: 'Zwickel {k}', purpose: '', decision: deny}}\n" for k in (4, 5))
    )
    key, out = new_secret(tmp_path / "key"), tmp_path / "out.csv"
    given = ["deidentify", record, "--governance", rules, "--key-file", str(key), "--out", str(out), "--k", "1"]
    assert main(given) == 2 and not out.exists()
    assert "5-anonymous" in capsys.readouterr().err


def test_governance_and_consent_go_on_under_the_pseudonym(tmp_path):
    record, rules = governed(tmp_path)
    safe = deidentify(ht.read(record, governance=rules), KEY)
    name = Deidentifier(KEY).pseudonym("Zwickel 1")
    assert {m.consent for m in safe[name]} == {("research",)}
    assert safe.governance is not None and safe.governance.register.decision(name, "research", "sbp", None) is True
    assert safe.governance.register.decision("Zwickel 1", "research", "sbp", None) is None
