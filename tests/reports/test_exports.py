"""Twins leave marked as what they are, in forms that others can read, and only when the policy permits."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import subprocess
import sys

import pytest

import hemotwin as ht
from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.core.install import command
from hemotwin.core.units import parse_unit
from hemotwin.records.consent import load_register
from hemotwin.records.deidentify import Deidentifier
from hemotwin.records.policy import load_policy
from hemotwin.records.secret import new_secret
from hemotwin.records.verify import verify
from hemotwin.reports.export_table import COLUMNS, export_rows, write_csv, write_parquet
from hemotwin.reports.fhir_bundle import fhir_bundle, ucum
from hemotwin.reports.release import released
from hemotwin.reports.ro_crate import write_crate
from tests.reports.example_twin import example_predictions, example_twin

FACTS = {"steward": "Cardiology", "licence": "CC-BY-4.0", "policy": "care", "purpose": "care",
         "evidence_sha256": "1e" * 32}  # fmt: skip


def governed(patient="P2", **more):
    twin = example_twin(patient=patient)
    return dataclasses.replace(twin, provenance={**twin.provenance, **FACTS, **more})


def saved(tmp_path, *twins):
    return str(CalibratedTwins(twins, {}, twins[0].provenance).save(tmp_path / "t.zarr"))


# --- FHIR


def resources(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_bundle_is_valid_fhir():
    from fhir.resources.R4B.bundle import Bundle

    bundle = fhir_bundle(governed(), example_predictions())
    read = Bundle.model_validate_json(json.dumps(bundle, allow_nan=False))
    assert read.entry is not None and len(read.entry) == len(bundle["entry"]) > 50
    with pytest.raises(ValueError, match="status"):  # the library does look
        broken = json.loads(json.dumps(bundle))
        del resources(broken, "Observation")[0]["status"]
        Bundle.model_validate(broken)


def test_every_observation_and_the_report_are_marked_as_predicted():
    bundle = fhir_bundle(governed(), example_predictions())
    marked = resources(bundle, "Observation") + resources(bundle, "DiagnosticReport")
    assert len(marked) > 40
    for one in marked:
        assert one["meta"]["tag"][0]["code"] == "predicted" and one["status"] == "preliminary"
        assert "Not for clinical use." in json.dumps(one.get("note", one.get("conclusion")))
    assert all("not measured" in one["method"]["text"] for one in resources(bundle, "Observation"))


def test_every_reference_is_answered_within_the_bundle():
    bundle = fhir_bundle(governed(), example_predictions())
    known = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(known) == len(bundle["entry"])
    asked = [text.split('"')[0] for text in json.dumps(bundle).split('"reference": "')[1:]]
    assert asked and set(asked) <= known
    (report,) = resources(bundle, "DiagnosticReport")
    assert len(report["result"]) == len(resources(bundle, "Observation"))


def test_observation_holds_code_unit_and_interval():
    output = [
        one for one in resources(fhir_bundle(governed()), "Observation") if one["code"]["text"] == "cardiac output"
    ]
    thermodilution, fick = output
    assert thermodilution["code"]["coding"][0] == {"system": "http://loinc.org", "code": "8737-9"}
    assert fick["code"]["coding"][0]["code"] == "8741-1"
    assert fick["valueQuantity"] == {
        "value": 4.27,
        "unit": "L/min",
        "system": "http://unitsofmeasure.org",
        "code": "L/min",
    }
    bounds = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in fick["component"]}
    assert bounds == {"interval-95-low": 3.85, "interval-95-high": 4.69}


def test_every_unit_that_leaves_is_one_that_is_read():
    bundle = fhir_bundle(governed(), example_predictions())
    parts = resources(bundle, "Observation")
    parts += [part for one in parts for part in one["component"]]
    units = {part["valueQuantity"]["code"] for part in parts if "valueQuantity" in part}
    assert len(units) > 8
    for unit in units:
        parse_unit(unit)
    assert (ucum("Wood units"), ucum("dyn s/cm5"), ucum("mmHg s/mL")) == ("[wood'U]", "dyn.s/cm5", "mm[Hg].s/mL")


def test_number_that_is_none_is_given_as_absent():
    twin = governed()
    row = dataclasses.replace(twin.unmeasured[0], value=math.nan, low=math.inf)
    bundle = fhir_bundle(dataclasses.replace(twin, unmeasured=(row,)))
    text = json.dumps(bundle, allow_nan=False)
    assert text.count("not-a-number") == 2


def test_prediction_that_comes_back_is_no_measurement(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(fhir_bundle(governed(), example_predictions())))
    records = ht.read(tmp_path / "b.json")
    assert not any(one.measurements for one in records)
    reasons = [row.reason for row in records.rows if row.field not in ("gender",) and "type" not in row.origin]
    assert len(reasons) > 40 and all("marked as predicted by a model" in reason for reason in reasons)


def test_same_twin_gives_the_same_bundle_and_another_patient_other_addresses():
    assert fhir_bundle(governed()) == fhir_bundle(governed())
    first, other = (fhir_bundle(governed(patient)) for patient in ("A", "B"))
    assert not {entry["fullUrl"] for entry in first["entry"]} & {entry["fullUrl"] for entry in other["entry"]}


def test_name_that_is_no_fhir_id_is_an_identifier():
    (patient,) = resources(fhir_bundle(governed("Ä b/1")), "Patient")
    assert patient["id"] == "patient" and patient["identifier"][0]["value"] == "Ä b/1"


def test_provenance_names_steward_licence_and_record():
    (made,) = resources(fhir_bundle(governed()), "Provenance")
    text = json.dumps(made)
    assert all(word in text for word in ("Cardiology", "CC-BY-4.0", "0f" * 32, "1e" * 32))


# --- tables


def test_table_holds_every_value_with_its_origin(tmp_path):
    twin = governed()
    rows = list(export_rows([twin], example_predictions()))
    assert len(rows) == 2 * 13 + len(twin.unmeasured) + len(twin.quantities) + 2 * 3 * 7
    assert {row["value_origin"] for row in rows if row["kind"] == "measured"} == {"measured"}
    assert {row["value_origin"] for row in rows if row["kind"] != "measured"} == {"predicted by a model"}
    assert {row["notice"] for row in rows} == {"Not for clinical use."}
    assert {(row["steward"], row["licence"], row["record_sha256"]) for row in rows} == {
        ("Cardiology", "CC-BY-4.0", "0f" * 32)
    }
    back = list(csv.DictReader(write_csv(rows, tmp_path / "t.csv").open(encoding="utf-8")))
    assert [float(row["value"]) for row in back] == [row["value"] for row in rows]
    assert tuple(back[0]) == COLUMNS


def test_table_that_comes_back_gives_the_measured_values_alone(tmp_path):
    twin = governed()
    records = ht.read(write_csv(export_rows([twin], example_predictions()), tmp_path / "t.csv"))
    measured = {(row.observable, row.modality): row.measured for row in twin.fit}
    assert {m.channel: m.value for m in records["P2"]} == measured
    assert sum("marked as predicted" in row.reason for row in records.rows) > 60


def test_parquet_holds_the_same_with_types(tmp_path):
    from pyarrow import parquet

    rows = list(export_rows([governed()], example_predictions()))
    back = parquet.read_table(write_parquet(rows, tmp_path / "t.parquet"))
    assert back.to_pylist() == rows
    assert back.schema.field("value").type == "double" and back.schema.metadata[b"notice"] == b"Not for clinical use."


# --- RO-Crate


def test_crate_names_every_file_with_its_hash_the_software_the_record_and_the_licence(tmp_path):
    from rocrate.rocrate import ROCrate

    from hemotwin.core.provenance import sha256_of

    write_crate([governed("A"), governed("B")], tmp_path, example_predictions())
    crate = ROCrate(tmp_path)
    files = {entity.id: entity for entity in crate.get_by_type("File")}
    on_disk = {path.name for path in tmp_path.iterdir()} - {"ro-crate-metadata.json"}
    assert set(files) == on_disk and len(files) == 5
    assert all(entity["sha256"] == sha256_of(tmp_path / name) for name, entity in files.items())
    licence, action = crate.license, crate.dereference("#calibration")
    assert licence is not None and licence.id == "https://spdx.org/licenses/CC-BY-4.0"
    assert "Not for clinical use." in (crate.description or "") and action is not None
    assert action["instrument"]["name"] == "hemotwin" and len(action["result"]) == 5
    assert action["object"]["sha256"] == "0f" * 32 and action["object"]["maintainer"]["name"] == "Cardiology"
    assert all("Not for clinical use" in entity["description"] for name, entity in files.items() if "fhir" in name)


# --- policy at the door

KEY_NAME = "S-" + "a" * 16
RESEARCH = {"policy": "research", "purpose": "research"}


def crowd(count=5, **more):
    return [governed(f"S-{letter * 16}", **{**RESEARCH, **more}) for letter in "abcdefgh"[:count]]


def test_twins_of_consented_pseudonyms_in_a_crowd_may_leave_rounded():
    leaving = released(crowd(), "csv", load_policy("research"))
    assert {one.covariates["age"] for one in leaving} == {60.0} and {one.covariates["weight"] for one in leaving} == {
        70.0
    }


@pytest.mark.parametrize(
    ("twins", "form", "policy", "words"),
    [
        (crowd(4), "csv", "research", "5-anonymous in number of people, but 4 of 4"),
        ([governed("Jane Doe", **RESEARCH)], "csv", "research", "asks for pseudonyms, but 1 of 1"),
        (crowd(purpose="care"), "csv", "research", "none is known for sbp"),
        (crowd(11 - 3), "fhir", "open", "permits csv, parquet, rocrate, but `fhir`"),
        (crowd(licence="none of yours"), "csv", "open", "but the licence is 'none of yours'"),
        (crowd(licence=None), "csv", "open", "is not known: name it in the governance file"),
    ],
)
def test_what_the_policy_does_not_permit_stays_and_nobody_is_named(twins, form, policy, words):
    with pytest.raises(InputError, match=words) as caught:
        released(twins, form, load_policy(policy))
    assert "Jane" not in str(caught.value)


def test_withdrawal_since_the_twin_was_made_stops_the_export():
    twins = crowd()
    gone = [{"patient": twins[2].patient, "purpose": "research", "decision": "withdrawn", "observable": "pcwp"}]
    with pytest.raises(InputError, match="denied or withdrawn for pcwp_mean of S-c"):
        released(twins, "csv", load_policy("research"), load_register(gone))
    other = load_register([{**gone[0], "observable": "lvedp"}])
    assert released(twins, "csv", load_policy("research"), other)
    late = load_register([{**gone[0], "data_from": "2024-06-01"}])
    assert released(twins, "csv", load_policy("research"), late)


def test_withdrawal_is_found_by_the_name_behind_the_pseudonym(tmp_path):
    from hemotwin.records.secret import load_secret

    key = load_secret(new_secret(tmp_path / "key"))
    name_of = Deidentifier(key).pseudonym
    twins = [governed(name_of(f"patient {k}"), **RESEARCH) for k in range(5)]
    register = load_register([{"patient": "patient 3", "purpose": "", "decision": "deny"}])
    assert released(twins, "csv", load_policy("research"), register)
    with pytest.raises(InputError, match="denied or withdrawn"):
        released(twins, "csv", load_policy("research"), register, name_of)


# --- command line


@pytest.mark.parametrize("form", ["fhir", "csv", "parquet", "rocrate"])
def test_command_line_exports_and_notes_it(tmp_path, capsys, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "audit.log"
    assert main(["export", saved(tmp_path, governed("A"), governed("B")), "--to", form, "--audit", str(log)]) == 0
    shown = capsys.readouterr().out
    assert "Not for clinical use." in shown
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["event"] for one in entries] == ["export", "exported"] and entries[0]["facts"]["policy"] == "care"
    assert len(entries[1]["facts"]["files"]) == {"fhir": 2, "csv": 1, "parquet": 1, "rocrate": 6}[form]
    assert verify(log).ok and str(tmp_path) not in log.read_text()


@pytest.mark.parametrize("form", ["fhir", "rocrate"])
@pytest.mark.parametrize("name", ["x.json", "x.JSON", "x.csv", "x.zip"])
def test_folder_named_like_a_file_is_refused_and_a_folder_named_as_the_fix(tmp_path, capsys, form, name):
    given = ["export", saved(tmp_path, governed("A"), governed("B")), "--to", form]
    assert main([*given, "--out", str(tmp_path / name)]) == 2
    told = capsys.readouterr().err
    assert f"but got {tmp_path / name}: give a folder, as in --out {tmp_path / 'x'}" in told
    assert sorted(one.name for one in tmp_path.iterdir()) == ["t.zarr"]
    assert main([*given, "--out", str(tmp_path / "x")]) == 0 and (tmp_path / "x").is_dir()


def test_folder_named_as_the_fix_is_free(tmp_path, capsys):
    (tmp_path / "x").write_text("of the user")
    given = ["export", saved(tmp_path, governed("A"), governed("B")), "--to", "fhir", "--out"]
    assert main([*given, str(tmp_path / "x.json")]) == 2
    assert f"give a folder, as in --out {tmp_path / 'x-2'}, or one patient" in capsys.readouterr().err
    assert main([*given, str(tmp_path / "x-2")]) == 0


@pytest.mark.parametrize("form", ["fhir", "csv", "parquet", "rocrate"])
def test_default_name_says_whether_it_is_a_file_or_a_folder(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    assert main(["export", saved(tmp_path, governed("A"), governed("B")), "--to", form]) == 0
    (made,) = (one for one in tmp_path.iterdir() if one.name != "t.zarr")
    folder = {"fhir": "t.fhir", "rocrate": "t.crate"}.get(form)
    assert made.is_dir() == (folder is not None) and made.name == (folder or f"t.{form}")


@pytest.mark.parametrize("form", ["fhir", "csv", "parquet"])
def test_folder_in_the_place_of_a_file_is_refused_and_a_file_named_as_the_fix(tmp_path, capsys, form):
    (tmp_path / "there").mkdir()
    assert main(["export", saved(tmp_path, governed()), "--to", form, "--out", str(tmp_path / "there")]) == 2
    usual = "t.fhir.json" if form == "fhir" else f"t.{form}"
    assert f"give a file, as in --out {tmp_path / 'there' / usual}" in capsys.readouterr().err
    assert not list((tmp_path / "there").iterdir())


def test_bundles_of_an_earlier_export_never_stand_beside_new_ones(tmp_path, capsys):
    out, crowded = tmp_path / "x", [governed(name) for name in "ABC"]
    assert main(["export", saved(tmp_path, *crowded), "--to", "fhir", "--out", str(out)]) == 0
    assert main(["export", saved(tmp_path, *crowded[:2]), "--to", "fhir", "--out", str(out)]) == 0
    assert sorted(one.name for one in out.iterdir()) == ["twin-1.fhir.json", "twin-2.fhir.json"]
    (out / "mine.txt").write_text("of the user")
    assert main(["export", saved(tmp_path, *crowded), "--to", "fhir", "--out", str(out)]) == 2
    assert "holds what hemotwin did not write (mine.txt)" in capsys.readouterr().err
    assert sorted(one.name for one in out.iterdir()) == ["mine.txt", "twin-1.fhir.json", "twin-2.fhir.json"]


def test_command_line_refuses_what_the_policy_refuses_and_notes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEMOTWIN_AUDIT", str(tmp_path / "audit.log"))
    assert main(["export", saved(tmp_path, governed()), "--to", "csv", "--policy", "research"]) == 2
    assert "asks for pseudonyms" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.csv"))
    assert json.loads((tmp_path / "audit.log").read_text())["event"] == "export refused"


def test_command_line_of_a_register_with_a_denial(tmp_path, capsys):
    (tmp_path / "g.yaml").write_text("policy: care\nconsent: [{patient: P2, purpose: care, decision: deny}]\n")
    given = ["export", saved(tmp_path, governed()), "--to", "fhir", "--out", str(tmp_path / "x.json")]
    assert main([*given, "--governance", str(tmp_path / "g.yaml")]) == 2
    assert main(given) == 0 and json.loads((tmp_path / "x.json").read_text())["resourceType"] == "Bundle"


@pytest.mark.parametrize(
    ("module", "form", "extra"), [("rocrate", "rocrate", "provenance"), ("pyarrow", "parquet", "omop")]
)
def test_missing_library_is_answered_with_its_installation(tmp_path, module, form, extra):
    given = ["export", saved(tmp_path, governed()), "--to", form, "--out", str(tmp_path / "x")]
    code = f"import sys; sys.modules[{module!r}] = None\nfrom hemotwin.cli import main; sys.exit(main({given!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and command(extra) in done.stderr


def test_export_without_a_policy_says_what_nobody_asked_and_how_many_are_alike(tmp_path, capsys):
    twins = [dataclasses.replace(example_twin(), patient=name) for name in ("A", "B")]
    target = str(tmp_path / "x.csv")
    assert main(["export", saved(tmp_path, *twins), "--to", "csv", "--out", target]) == 0
    shown = capsys.readouterr().out
    assert "No policy: neither consent, pseudonyms, licence nor k-anonymity" in shown
    assert "the rarest are 2 people alike" in shown and "--policy care, research or open" in shown
    other = dataclasses.replace(twins[1], covariates={**twins[1].covariates, "age": 12.0})
    assert main(["export", saved(tmp_path, twins[0], other), "--to", "csv", "--out", target]) == 0
    assert "at least one of them is alone" in capsys.readouterr().out
    assert main(["export", saved(tmp_path, governed("A")), "--to", "csv", "--out", target]) == 0
    assert "No policy" not in capsys.readouterr().out  # the record was read under one


def test_export_under_a_k_says_that_every_twin_counts_as_a_person(tmp_path, capsys):
    out = ["--out", str(tmp_path / "x.csv")]
    assert main(["export", saved(tmp_path, *crowd()), "--to", "csv", "--policy", "research", *out]) == 0
    assert "k counts every twin as a person" in capsys.readouterr().out
    assert main(["export", saved(tmp_path, governed("A")), "--to", "csv", *out]) == 0
    assert "k counts" not in capsys.readouterr().out  # nothing is counted under care
