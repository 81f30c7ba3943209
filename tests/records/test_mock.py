"""A mock record has the structure and the gaps of the real one, and nothing else of it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.codes import info, observables
from hemotwin.records.mock import load_report, write_mock
from hemotwin.records.mock_person import MockPerson
from hemotwin.records.quality import implausible
from hemotwin.records.readiness import assess
from hemotwin.records.readiness_tables import as_dict, write_json
from tests.records.build import checked, table

HEADER = "patient,observable,value,unit,time,method,condition,consent"
ROWS = (
    "Zwickelhuber,sbp,15.731,kPa,2019-03-07T08:31:00,cuff,,research",
    "Zwickelhuber,dbp,71.37,mmHg,2019-03-07T08:31:00,cuff,,research",
    "Zwickelhuber,co,4.937,L/min,2019-03-07T08:31:00,fick,,",
    "Zwickelhuber,co,5.937,L/min,2019-03-07T08:31:00,thermodilution,,",
    "Zwickelhuber,sbp,131.37,mmHg,2019-01-09T08:31:00,cuff,,research",
    "Zwickelhuber,hr,91.37,/min,2019-03-07T08:31:00,,dobutamine by Dr Quandt,",
    "Zwickelhuber,sex,f,,,,,",
    "Zwickelhuber,age,61.37,a,,,,",
    "Quandt,sbp,119.37,,2019-03-07,cuff,,",
    "Quandt,dbp,77.37,mmHg,,,,",
    "Quandt,cvp,9137,mmHg,2019-03-07,,,",
    "Quandt,secret item 37,9137,mmHg,2019-03-07,,,",
    "Empty,rap,,mmHg,,,,",
)


@pytest.fixture
def real(tmp_path):
    return ht.read(table(tmp_path, *ROWS, header=HEADER, name="real.csv"), governance={"steward": "S", "licence": "L"})


def mock_of(records, tmp_path, name="mock.csv", **more):
    report = load_report(write_json(assess(records), tmp_path / "report.json"))
    return write_mock(report, tmp_path / "out" / name, **more)


def shape(records):
    """What readiness sees of each patient, in their order, without names."""
    readiness = assess(records)
    return [(one.level, one.condition, one.names, one.held, one.unusable, one.twins, one.questions)
            for one in readiness.patients]  # fmt: skip


def test_mock_table_has_the_readiness_of_the_real_record(real, tmp_path):
    mock = checked(ht.read(mock_of(real, tmp_path)[0]))
    assert shape(mock) == shape(real)
    first, second = as_dict(assess(real)), as_dict(assess(mock))
    for what in ("level", "levels", "twins", "questions", "gaps"):
        plain = lambda found: re.sub(r"'example': '[^']*'", "", str(found))  # noqa: E731
        assert plain(first[what]) == plain(second[what]), what


def test_structure_is_the_same_again(real, tmp_path):
    mock = ht.read(mock_of(real, tmp_path)[0])
    first, second = (as_dict(assess(one))["structure"] for one in (real, mock))
    assert first["patients"] == second["patients"]
    assert first["unrecognised"] == second["unrecognised"] == 1
    assert first["units"]["sbp"] == second["units"]["sbp"] == "kPa"


def test_nothing_of_the_real_record_is_in_structure_or_mock(real, tmp_path):
    files = [*mock_of(real, tmp_path), *mock_of(real, tmp_path, "mock.json")]
    structure = json.dumps(as_dict(assess(real))["structure"])
    for text in (structure, *(path.read_text() for path in files)):
        for word in (
            "Zwickelhuber",
            "Quandt",
            "2019",
            "08:31",
            "9137",
            "secret",
            "dobutamine",
            ".37",
            "15.731",
            "4.937",
        ):
            assert word not in text, word


def test_every_value_says_that_it_is_synthetic(real, tmp_path):
    lines = mock_of(real, tmp_path)[0].read_text().splitlines()
    assert "Not for clinical use." in lines[0] and all(line.endswith(",synthetic") for line in lines[2:])
    bundle = json.loads(mock_of(real, tmp_path, "mock.json")[0].read_text())
    for entry in bundle["entry"]:
        assert entry["resource"]["meta"]["tag"][0]["code"] == "synthetic"
        assert {"HTEST"} <= {label["code"] for label in entry["resource"]["meta"]["security"]}


def test_mock_bundle_is_valid_fhir_and_reads_as_the_table_does(tmp_path):
    from fhir.resources.R4B.bundle import Bundle

    rows = [row for row in ROWS if "dobutamine" not in row and "secret" not in row]
    real = ht.read(table(tmp_path, *rows, header=HEADER, name="real.csv"))
    (path,) = mock_of(real, tmp_path, "mock.json")
    Bundle.model_validate_json(path.read_text())
    fhir, flat = ht.read(path), ht.read(mock_of(real, tmp_path)[0])
    held = lambda records: [(one.held, one.names) for one in assess(records).patients]  # noqa: E731
    assert held(checked(fhir)) == held(flat) == held(real)
    channels = lambda records: [{m.channel for m in one} for one in records]  # noqa: E731
    assert channels(fhir) == channels(flat)


def test_visits_stay_as_far_apart_as_they_class(real, tmp_path):
    (held,) = [one for one in as_dict(assess(real))["structure"]["patients"] if any(x["name"] == "age" for x in one)]
    assert sorted({one["day"] for one in held if one["day"] is not None}) == [0, 60]


def test_steward_and_licence_are_made_up_only_where_the_real_ones_are_known(tmp_path):
    real = ht.read(table(tmp_path, *ROWS, header=HEADER, name="real.csv"), governance={"steward": "S", "licence": "L"})
    assert len(mock_of(real, tmp_path)) == 2
    assert ht.read(tmp_path / "out" / "mock.csv").governance.steward == "nobody (synthetic record)"
    alone = ht.read(table(tmp_path, *ROWS, header=HEADER, name="real.csv"))
    assert len(mock_of(alone, tmp_path, "other.csv")) == 1


def test_same_seed_gives_the_same_bytes_and_another_does_not(real, tmp_path):
    first, again = (mock_of(real, tmp_path, name)[0].read_bytes() for name in ("a.csv", "b.csv"))
    assert first == again != mock_of(real, tmp_path, "c.csv", seed=1)[0].read_bytes()


def test_made_up_people_are_plausible_and_agree_with_themselves():
    random = np.random.default_rng(0)
    for _ in range(300):
        one = MockPerson(random)
        for name in (*observables(), "age", "height", "weight", "bsa"):
            assert implausible(name, one.value(name)) is None and implausible(name, one.value(name, 1)) is None, name
        assert one.value("sbp") > one.value("map") > one.value("dbp")
        assert one.value("rv_pressure_max") >= one.value("pa_pressure_systolic") > one.value("pa_pressure_diastolic")
        assert one.value("pa_pressure_diastolic") > one.value("ra_pressure_min") and one.value("lv_edv") > one.value(
            "lv_esv"
        )
        output = one.value("stroke_volume") * one.value("heart_rate") / 1000
        assert output == pytest.approx(one.value("cardiac_output"), rel=0.015)  # three figures are given of each
        assert info("svr").unit == "mmHg.s/mL"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "no `structure` in it; make it with `hemotwin readiness RECORD --json"),
        ('{"structure": {"patients": [[{"name": "sbpp"}]]}}', "patient 1 has a reading that is not known"),
        ('{"structure": {"patients": [7]}}', "more than"),
    ],
)
def test_report_that_cannot_be_followed_is_refused(tmp_path, content, words):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(InputError, match=words):
        load_report(tmp_path / "report.json")


def test_command_line_from_a_record_to_its_mock(real, tmp_path, capsys):
    report, out = tmp_path / "report.json", tmp_path / "mock.csv"
    assert main(["readiness", str(tmp_path / "real.csv"), "--json", str(report)]) == 0
    assert main(["mock", str(out), "--like", str(report)]) == 0
    assert "Synthetic: made up, of no real person." in capsys.readouterr().out
    assert main(["check", str(out)]) == 0


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["rhc_patient233", "fhir_mii_icu", "fhir_us_core"])
def test_real_records_have_mocks_of_their_readiness(data_folder, tmp_path, name):
    real = ht.read(data_folder / name)
    mock = checked(ht.read(mock_of(real, tmp_path)[0]))
    assert shape(mock) == shape(real)


def test_nine_patients_have_mocks_of_their_readiness(tmp_path):
    from hemotwin.core.configs import config_path

    real = ht.read(config_path("records", "ph9"))
    mock = checked(ht.read(mock_of(real, tmp_path)[0]))
    assert shape(mock) == shape(real)
    values = lambda records: {(m.observable, m.value) for one in records for m in one.counted}  # noqa: E731
    assert len(values(mock) & values(real)) < 0.1 * len(values(real))  # a round number may meet by chance


CODED = tuple(row for row in ROWS if "dobutamine" not in row and not row.startswith("Empty"))


@pytest.mark.parametrize("name", ["mock.ndjson", "cdm"])
def test_mock_of_another_form_has_the_readiness_that_its_form_can_say(tmp_path, name):
    pytest.importorskip("pyarrow")
    rows = [",".join(row.split(",")[:5]) for row in CODED]  # OMOP has no field for a method or a consent
    real = ht.read(table(tmp_path, *rows, header="patient,observable,value,unit,time", name="real.csv"))
    written = mock_of(real, tmp_path, name)
    mock = checked(ht.read(tmp_path / "out" / name))
    assert shape(mock) == shape(real)
    found = b"".join(path.read_bytes() for path in written)
    assert b"synthetic" in found and not any(word in found for word in (b"Zwickelhuber", b"Quandt", b"15.731", b"2019"))
    again = tmp_path / "again"
    again.mkdir()
    report = load_report(tmp_path / "report.json")
    assert [path.read_bytes() for path in write_mock(report, again / name)] == [path.read_bytes() for path in written]


def test_mock_of_a_model_says_drug_and_device_by_exposures_and_keeps_rest_apart(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [f"A,hr,{rate},/min,2019-03-07,,{state}," for rate, state in
            ((70, ""), (90, "dobutamine"), (80, "on support"), (120, "exercise"))]  # fmt: skip
    real = ht.read(table(tmp_path, *rows, header=HEADER, name="real.csv"), governance={"steward": "S", "licence": "L"})
    written = {path.stem: path for path in mock_of(real, tmp_path, "cdm")}
    assert {"drug_exposure", "device_exposure", "governance"} <= written.keys()
    mock = checked(ht.read(tmp_path / "out" / "cdm"))
    assert {fact.condition for fact in mock.inventory.of("1")} == {"rest", "dobutamine", "impella"}
    assert len(mock["1"]) == 1 and mock["1"].measurements[0].condition is None
    assert mock.governance is not None and mock.governance.steward == "nobody (synthetic record)"
    assert set(parquet.read_table(written["measurement"])["measurement_source_value"].to_pylist()) == {"synthetic"}
    (source,) = parquet.read_table(written["cdm_source"])["cdm_source_name"].to_pylist()
    assert source.startswith("synthetic") and "Not for clinical use." in source


@pytest.mark.real_data
@pytest.mark.parametrize(("record", "name"), [("omop_synthea27nj", "cdm"), ("fhir_synthea_r4", "mock.ndjson")])
def test_real_exports_have_mocks_of_their_own_form_and_readiness(data_folder, tmp_path, record, name):
    real = ht.read(data_folder / record)
    mock_of(real, tmp_path, name)
    assert shape(checked(ht.read(tmp_path / "out" / name))) == shape(real)


def test_mapping_of_the_real_wide_table_reads_its_mock_too(tmp_path):
    wide = table(tmp_path, "Zwickelhuber,131,71", header="MRN,Sys,Dia", name="wide.csv")
    mapping = {"patient": "MRN", "columns": {name: {"observable": name, "unit": "mmHg"} for name in ("Sys", "Dia")}}
    real = checked(ht.read(wide, mapping=mapping))
    mock = checked(ht.read(mock_of(real, tmp_path, "wide.csv")[0], mapping=mapping))
    assert len(real["Zwickelhuber"]) == 2 and shape(mock) == shape(real)
    with pytest.raises(InputError, match="MRN"):
        ht.read(table(tmp_path, "A,sbp,120,mmHg"), mapping=mapping)


@pytest.mark.parametrize(("form", "ending"), [("csv", "csv"), ("fhir", "json"), ("ndjson", "ndjson")])
def test_path_without_an_ending_is_a_folder_that_reads_with_its_governance(real, tmp_path, form, ending):
    paths = mock_of(real, tmp_path, "export", form=form)
    assert [path.name for path in paths] == [f"records.{ending}", "governance.yaml"]
    assert ht.read(tmp_path / "out" / "export").governance.steward == "nobody (synthetic record)"


def test_path_that_ends_as_another_form_is_refused(real, tmp_path):
    with pytest.raises(InputError, match=r"mock\.csv"):
        mock_of(real, tmp_path, form="fhir")
