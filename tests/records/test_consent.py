"""What is not permitted is never seen; a withdrawn datum leaves no trace in what a calibration sees."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.consent import load_register
from hemotwin.records.evidence import evidence_sha256
from hemotwin.records.governance import load_governance
from hemotwin.records.policy import load_policy, purpose_of
from tests.records.build import bundle, checked, component, concept, observation, table

HEADER = "patient,observable,value,unit,time,method"
ROWS = (
    "A,sbp,118,mmHg,2024-03-01T09:00,cuff",
    "A,dbp,71,mmHg,2024-03-01T09:00,cuff",
    "A,map,87,mmHg,2024-03-01T09:00,cuff",
    "A,co,4.9,L/min,2024-03-01T09:00,fick",
    "A,co,7.7,L/min,2024-03-01T09:00,thermodilution",
    "A,hr,70,/min,2024-03-01T09:00,",
    "A,hr,71,/min,2024-03-01T08:00,",
    "A,sv,70,mL,2024-03-01T09:00,fick",
    "A,height,180,cm,2024-03-01,",
    "A,weight,80,kg,2024-03-01,",
    "A,pcwp,17,mmHg,2024-03-01T09:00,",
    "A,padp,14,mmHg,2024-03-01T09:00,",
    "B,sbp,130,mmHg,2024-03-02,cuff",
    "B,age,50,a,2024-03-02,",
)
RESEARCH = {"steward": "Cardiology", "licence": "CC-BY-4.0", "policy": "research"}


def permit(**more):
    return {"patient": "A", "purpose": "research", "decision": "permit", **more}


def read(tmp_path, *consent, rows=ROWS, header=HEADER, name="t.csv", **governance):
    return checked(ht.read(table(tmp_path, *rows, header=header, name=name),
                           governance={**RESEARCH, "consent": list(consent), **governance}))  # fmt: skip


def readings(records, patient="A"):
    return {m.observable for m in records[patient]}


EVERYONE = (permit(), permit(patient="B"))


@pytest.mark.parametrize("gone", range(len(ROWS)))
def test_withdrawn_datum_leaves_the_evidence_that_never_had_it(tmp_path, gone):
    """Each row withdrawn by its tag: derived values, duplicates, conflicts and covariates come out as without it."""
    header = HEADER + ",consent"
    tagged = [f"{row},{'care' if k == gone else 'care; research'}" for k, row in enumerate(ROWS)]
    never = [f"{row},care; research" for k, row in enumerate(ROWS) if k != gone]
    without = read(tmp_path, rows=tagged, header=header)
    assert evidence_sha256(without) == evidence_sha256(read(tmp_path, rows=never, header=header, name="n.csv"))
    unseen_anyway = gone == 6  # an older heart rate of the same day
    assert unseen_anyway or evidence_sha256(without) != evidence_sha256(read(tmp_path, *EVERYONE))
    (row,) = [row for row in without.rows if "consent" in row.reason]
    assert (row.fate, row.text, row.unit) == ("quarantined", "(withheld)", "")


@pytest.mark.parametrize(
    ("label", "consent", "words"),
    [
        ("care", (), "its consent permits care, and research, the policy's purpose, is not among them"),
        ("teaching; TREAT", (), "its consent permits care, teaching, and research"),
        ("no", (), "its consent permits no purpose that is known, and research"),
        ("care", (permit(),), "its consent permits care, and research"),
        ("care", (permit(decision="deny"),), "consent to research is denied or withdrawn"),
        ("research", (permit(decision="withdrawn"),), "consent to research is denied or withdrawn"),
    ],
)
def test_label_for_another_purpose_is_told_from_a_denial(tmp_path, label, consent, words):
    (row,) = read(tmp_path, *consent, rows=[f"{ROWS[0]},{label}"], header=HEADER + ",consent").rows
    assert (row.fate, row.text) == ("quarantined", "(withheld)") and words in row.reason


def test_withdrawal_turns_a_derived_mean_into_evidence(tmp_path):
    kind = lambda records: {m.observable: m.kind for m in records["A"]}["map"]  # noqa: E731
    assert kind(read(tmp_path, *EVERYONE)) == "derived"
    assert kind(read(tmp_path, *EVERYONE, permit(observable="dbp", decision="withdrawn"))) == "exact"


def test_withdrawn_patient_is_listed_and_has_nothing(tmp_path):
    records = read(tmp_path, *EVERYONE, permit(purpose="", decision="withdrawn"))
    assert records.patients == ["A", "B"] and len(records["A"]) == 0 and not records["A"].covariates
    assert evidence_sha256(records) == evidence_sha256(
        read(tmp_path, permit(patient="B"), rows=ROWS[12:], name="n.csv")
    )


def test_withdrawn_birth_date_gives_no_age(tmp_path):
    path = bundle(
        tmp_path, {"resourceType": "Patient", "id": "A", "gender": "male", "birthDate": "1960-01-01"},
        observation(concept("8480-6"), 120, effectiveDateTime="2024-01-01"),
    )  # fmt: skip
    given = lambda *rows: ht.read(path, governance={**RESEARCH, "consent": list(rows)})  # noqa: E731
    assert given(permit())["A"].covariates["age"] == 63 or given(permit())["A"].covariates["age"] == 64
    assert "age" not in given(permit(), permit(observable="age", decision="deny"))["A"].covariates


def test_consent_is_needed_where_the_policy_asks_for_it(tmp_path):
    assert readings(read(tmp_path, permit())) and not len(read(tmp_path, permit())["B"])
    assert len(read(tmp_path, policy="care")["B"]) == 1
    assert not len(read(tmp_path, permit(purpose="care", decision="deny"), policy="care")["A"])
    assert len(read(tmp_path, permit(decision="deny"), policy="care")["A"])


def test_denial_wins_over_a_permission_in_any_order(tmp_path):
    for several in (
        (permit(), permit(decision="deny", observable="co")),
        (permit(decision="deny", observable="co"), permit()),
    ):
        assert "cardiac_output" not in readings(read(tmp_path, *several))
        assert "sbp" in readings(read(tmp_path, *several))


def test_periods_bound_when_a_reading_was_taken_and_when_it_is_used(tmp_path):
    assert readings(read(tmp_path, permit(data_from="2024-03-01", data_until="2024-03-01")))
    assert not readings(read(tmp_path, permit(data_from="2024-03-02")))
    assert not readings(read(tmp_path, permit(valid_until="2024-12-31")))
    register = load_register([permit(valid_from="2024-01-01", valid_until="2024-12-31")])
    used = [register.decision("A", "research", "sbp", None, when) for when in (1.70e9, 1.71e9, 1.74e9)]
    assert used == [None, True, None]


def test_reading_without_a_time_is_inside_no_permission_and_inside_every_denial():
    register = load_register([permit(data_from="2024-01-01")])
    assert register.decision("A", "research", "sbp", None) is None
    register = load_register([permit(data_from="2024-01-01", decision="deny")])
    assert register.decision("A", "research", "sbp", None) is False


def test_every_measurement_carries_the_purposes_it_may_be_used_for(tmp_path):
    records = read(tmp_path, permit(), permit(purpose="HQUALIMP"), permit(patient="B", purpose=""), policy="care")
    assert {m.consent for m in records["A"]} == {("research", "quality")}
    assert {m.consent for m in records["B"]} == {("care", "research", "quality", "teaching", "commercial")}


def test_security_labels_of_a_bundle_permit_their_purpose_alone(tmp_path):
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
    path = bundle(
        tmp_path,
        observation(concept("85354-9"), meta=label, component=[component("8480-6", value=121)]),
        observation(concept("8867-4"), 66, "/min"),
    )
    care = ht.read(path, governance={"policy": "care"})
    assert {m.observable: m.consent for m in care["A"]} == {"sbp": ("care",), "heart_rate": ()}
    assert not len(ht.read(path, governance={"policy": "research"})["A"])


def test_withheld_value_is_in_no_row_reason_or_table(tmp_path):
    records = read(tmp_path, permit(decision="deny"), permit(patient="B"))
    assert "4.9" not in repr(records.table()) and "118" not in json.dumps([row.message for row in records.rows])


def test_file_beside_the_record_governs_it(tmp_path):
    path = table(tmp_path, *ROWS, header=HEADER)
    (tmp_path / "register.csv").write_text("patient,purpose,decision\nA,research,permit\n")
    (tmp_path / "t_governance.yaml").write_text(
        "steward: Cardiology\nlicence: CC-BY-4.0\npolicy: research\nconsent: register.csv\n"
    )
    records = ht.read(path)
    assert len(records["A"]) and not len(records["B"])
    assert records.governance.facts() == {**RESEARCH, "purpose": "research"}
    assert records.select("A").governance is records.governance


def test_folder_is_governed_by_its_file_which_is_no_record(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    table(folder, *ROWS, header=HEADER)
    (folder / "governance.yaml").write_text(
        "policy: research\nconsent: [{patient: A, purpose: research, decision: permit}]\n"
    )
    records = checked(ht.read(folder))
    assert len(records["A"]) and not any("governance" in row.origin for row in records.rows)
    (folder / "consent.csv").write_text("patient,purpose,decision\nA,research,permit\n")
    (folder / "governance.yaml").write_text("policy: research\nconsent: consent.csv\n")
    with pytest.raises(InputError, match="would be read as one: move it"):
        ht.read(folder)


def test_without_a_policy_everything_is_read_and_nothing_is_said(tmp_path):
    records = ht.read(table(tmp_path, *ROWS, header=HEADER))
    assert {m.consent for m in records["A"]} == {()} and records.governance.facts() == {}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"purpose": "resaerch"}, "`purpose` must be one of care, research"),
        ({"decision": "maybe"}, "`decision` must be permit, deny or withdrawn, but got 'maybe'"),
        ({"patient": " "}, "`patient` is empty"),
        ({"observable": "sbpp"}, "`observable` 'sbpp' is not known; did you mean sbp"),
        ({"valid_until": "31.12.2024"}, "`valid_until` must be an ISO date"),
        ({"valid_til": "2024"}, "unknown column `valid_til`.*did you mean `valid_until`"),
    ],
)
def test_decision_that_is_not_understood_is_refused_and_never_lost(row, words):
    with pytest.raises(InputError, match=words) as caught:
        load_register([permit() | row])
    assert "consent entry 1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("purpose: research\nexport: {k: 0}", "`export.k` must be a whole number of at least 1"),
        ("purpose: research\nexport: {psuedonyms: required}", "unknown key `psuedonyms`.*did you mean `pseudonyms`"),
        ("purpose: fun", "`purpose` must be one of"),
        ("purpose: research\ningest: {consent: maybe}", "`ingest.consent` must be one of required, assumed"),
        ("purpose: research\nexport: {formats: [pdf]}", "`export.formats` must be one of fhir"),
        ("- research", "the policy must hold purpose"),
    ],
)
def test_misspelt_policy_is_refused_and_allows_nothing(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=words):
        load_policy(tmp_path / "mine.yaml")


def test_policy_that_says_nothing_asks_for_everything(tmp_path):
    (tmp_path / "mine.yaml").write_text("purpose: research")
    mine = load_policy(tmp_path / "mine.yaml")
    assert (mine.ingest_consent, mine.export_consent, mine.pseudonyms, mine.k) == (
        "required",
        "required",
        "required",
        5,
    )


@pytest.mark.parametrize("name", ["care", "research", "open"])
def test_policies_that_come_with_it_are_sound(name):
    assert load_policy(name).purpose == purpose_of(load_policy(name).purpose)
    with pytest.raises(InputError, match="Did you mean"):
        load_policy(name + "x")


def test_governance_with_an_unknown_key_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"unknown key `license`.*did you mean `licence`"):
        load_governance(tmp_path, {"license": "CC0"})


def test_hash_is_of_the_evidence_and_not_of_where_it_stood(tmp_path):
    rng = np.random.default_rng(0)
    plain = [row for row in ROWS if row.split(",")[1] != "hr"]
    first = evidence_sha256(read(tmp_path, *EVERYONE, rows=plain))
    mixed = [plain[k] for k in rng.permutation(len(plain))]
    assert evidence_sha256(read(tmp_path, *EVERYONE, rows=mixed, name="other.csv")) == first
    changed = [row.replace("118", "118.0001") for row in plain]
    assert evidence_sha256(read(tmp_path, *EVERYONE, rows=changed)) != first
