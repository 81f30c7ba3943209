"""What hemotwin writes takes the place of nothing that it reads and of no file that it did not make."""

from __future__ import annotations

import os
import sys

import pytest

from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.records.mock import load_report, write_mock
from hemotwin.records.own_file import own_file
from hemotwin.records.secret import new_secret
from tests.records.build import table

USERS = "my own notes\n"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The words of `hemotwin deidentify` for a table g.csv in the present folder."""
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "Quandt,sbp,120,mmHg", name="g.csv")
    return ["deidentify", "g.csv", "--key-file", str(new_secret(tmp_path / "key")), "--k", "1", "--out"]


@pytest.mark.parametrize("way", ["same", "dots", "absolute", "symbolic link", "hard link"])
def test_record_is_never_replaced_by_its_own_table_however_its_path_is_written(asked, tmp_path, capsys, way):
    record = tmp_path / "g.csv"
    before, out = record.read_bytes(), {"same": "g.csv", "dots": "./../" + tmp_path.name + "/g.csv"}.get(way, "x.csv")
    if way == "absolute":
        out = str(record)
    elif way == "symbolic link":
        (tmp_path / out).symlink_to("g.csv")
    elif way == "hard link":
        os.link(record, tmp_path / out)
    assert main([*asked, out]) == 2
    assert "--out must be another file than the input" in capsys.readouterr().err
    assert record.read_bytes() == before and (tmp_path / out).samefile(record)


def test_table_that_was_deidentified_once_is_not_replaced_as_the_input_of_the_next(asked, tmp_path, capsys):
    assert main([*asked, "safe.csv"]) == 0
    before = (tmp_path / "safe.csv").read_bytes()
    again = ["safe.csv" if word == "g.csv" else word for word in asked]
    assert main([*again, "safe.csv"]) == 2 and "another file than the input" in capsys.readouterr().err
    assert main(["." if word == "g.csv" else word for word in [*asked, "safe.csv"]]) == 2
    assert "another file than a file of the input" in capsys.readouterr().err
    assert (tmp_path / "safe.csv").read_bytes() == before


def test_file_of_another_is_not_replaced_and_an_earlier_table_is(asked, tmp_path, capsys):
    (tmp_path / "notes.csv").write_text(USERS)
    assert main([*asked, "notes.csv"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "--out: notes.csv would be replaced, but hemotwin did not write it" in shown and "another path" in shown
    assert (tmp_path / "notes.csv").read_text() == USERS
    (tmp_path / "empty.csv").touch()
    assert [main([*asked, out]) for out in ("empty.csv", "empty.csv", "key", ".")] == [0, 0, 2, 2]


def test_governance_beside_the_table_replaces_no_other_and_nothing_is_written(asked, tmp_path, capsys):
    rules = tmp_path / "safe_governance.yaml"
    rules.write_text("steward: Cardiology\n")
    for more in ([], ["--governance", str(rules)]):
        (tmp_path / "g_governance.yaml").write_text("steward: Ward\n")
        assert main([*asked, "safe.csv", *more]) == 2
        assert "beside --out" in capsys.readouterr().err
        assert rules.read_text() == "steward: Cardiology\n" and not (tmp_path / "safe.csv").exists()
    rules.unlink()
    assert [main([*asked, "safe.csv"]) for _ in range(2)] == [0, 0] and rules.exists()
    assert main([*asked, "g.txt"]) == 2 and (tmp_path / "g_governance.yaml").read_text() == "steward: Ward\n"


def test_governance_of_an_earlier_run_never_stands_beside_a_new_table(asked, tmp_path, capsys):
    rules, governed = tmp_path / "safe_governance.yaml", tmp_path / "g_governance.yaml"
    governed.write_text("steward: Ward\n")
    assert main([*asked, "safe.csv"]) == 0 and "steward: Ward" in rules.read_text()
    governed.write_text("steward: Cardiology\n")
    assert main([*asked, "safe.csv"]) == 0 and "steward: Cardiology" in rules.read_text()
    assert "removed" not in capsys.readouterr().out
    governed.unlink()
    assert main([*asked, "safe.csv"]) == 0 and not rules.exists()
    assert "safe_governance.yaml of an earlier run is removed" in capsys.readouterr().out
    before = (tmp_path / "safe.csv").read_bytes()
    rules.write_text("steward: of the user\n")  # would be read as that of the table
    assert main([*asked, "safe.csv"]) == 2 and "beside --out" in capsys.readouterr().err
    assert rules.read_text() == "steward: of the user\n" and (tmp_path / "safe.csv").read_bytes() == before


@pytest.mark.parametrize("k", ["0", "-3"])
def test_group_of_nobody_is_no_group(asked, tmp_path, capsys, k):
    asked[asked.index("1")] = k
    assert main([*asked, "x.csv"]) == 2 and not (tmp_path / "x.csv").exists()
    assert f"--k must be a whole number of people of at least 1 (1: not checked), but got {k}" in " ".join(
        capsys.readouterr().err.split()
    )


def test_missing_record_is_told_as_missing_without_its_name(asked, capsys):
    asked[1] = "Quandt.csv"
    assert main([*asked, "x.csv"]) == 2
    shown = capsys.readouterr().err
    assert "RECORD is not there" in shown and "Quandt" not in shown
    asked[1] = "g.csv"
    assert main([*asked, "x.csv", "--mapping", "Quandt.yaml"]) == 2
    assert "--mapping is not there" in capsys.readouterr().err


REPORT = {"structure": {"patients": [[{"name": "sbp", "measured": True, "unit": True, "day": 0}]]},
          "steward": "S", "licence": "L"}  # fmt: skip


@pytest.mark.parametrize("name", ["m.csv", "m.json", "m.ndjson", "cdm"])
def test_mock_without_governance_leaves_none_of_an_earlier_mock(tmp_path, name):
    if name == "cdm":
        pytest.importorskip("pyarrow")
    *_, rules = write_mock(REPORT, tmp_path / name)
    unnamed = {"structure": REPORT["structure"]}
    assert "governance" in rules.name and rules not in write_mock(unnamed, tmp_path / name) and not rules.exists()
    rules.write_text(USERS)
    with pytest.raises(InputError, match="hemotwin did not write it"):
        write_mock(unnamed, tmp_path / name)
    assert rules.read_text() == USERS


@pytest.mark.parametrize("name", ["m.csv", "m.json", "m.ndjson", "cdm"])
def test_mock_replaces_an_earlier_mock_and_no_other_file(tmp_path, name):
    if name == "cdm":
        pytest.importorskip("pyarrow")
    written = write_mock(REPORT, tmp_path / name)
    assert len(written) >= 2 and write_mock(REPORT, tmp_path / name, seed=1) == written
    for path in written:
        made = path.read_bytes()
        path.write_text(USERS)
        others = {one: one.read_bytes() for one in written}
        with pytest.raises(InputError, match=f"the mock record: .*{path.name} would be replaced, but hemotwin did not"):
            write_mock(REPORT, tmp_path / name, seed=2)
        assert {one: one.read_bytes() for one in written} == others
        path.write_bytes(made)


EXPOSED = {"structure": {"patients": [[{"name": "sbp", "measured": True, "unit": True, "day": 0, "condition": name}
                                        for name in ("drug", "support")]]}}  # fmt: skip


def test_tables_of_an_earlier_mock_never_stand_beside_new_ones(tmp_path):
    pytest.importorskip("pyarrow")
    folder, plain = tmp_path / "cdm", {"person", "measurement", "concept", "cdm_source"}
    exposed = {path.stem for path in write_mock(EXPOSED, folder)}
    assert exposed == plain | {"drug_exposure", "device_exposure"}
    (folder / ".person.parquet.partial").write_text("of a run that was killed")
    write_mock(REPORT, folder)
    assert {path.stem for path in folder.iterdir()} == plain | {"governance"}
    for form, names in (("csv", {"records.csv"}), ("fhir", {"records.json"}), ("ndjson", {"records.ndjson"})):
        write_mock(EXPOSED, folder, form)  # the folder is read whole, in whatever form its files are
        assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize("name", ["drug_exposure.parquet", "records.csv", "ward.csv"])
def test_mock_in_a_folder_stands_beside_no_file_of_another(tmp_path, name):
    pytest.importorskip("pyarrow")
    folder = tmp_path / "cdm"
    before = {path: path.read_bytes() for path in write_mock(REPORT, folder)}
    (folder / name).write_text(USERS)
    with pytest.raises(InputError, match=f"hemotwin did not write.*{name}|{name} would be replaced"):
        write_mock(EXPOSED, folder)
    assert {path: path.read_bytes() for path in before} == before and (folder / name).read_text() == USERS


def test_mock_without_pyarrow_leaves_the_earlier_one(tmp_path, monkeypatch):
    before = {path: path.read_bytes() for path in write_mock(REPORT, tmp_path / "m", "csv")}
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pyarrow"):
        write_mock(REPORT, tmp_path / "m", "omop")
    assert {path: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before


def test_mock_does_not_replace_the_report_that_it_is_made_like(tmp_path, capsys):
    record, report = table(tmp_path, "A,sbp,120,mmHg"), tmp_path / "r.json"
    assert main(["readiness", str(record), "--json", str(report)]) == 0
    before = report.read_bytes()
    for path in (str(report), str(tmp_path / "." / "r.json")):
        assert main(["mock", path, "--like", str(report)]) == 2
        assert "PATH must be another file than the input" in capsys.readouterr().err
    assert report.read_bytes() == before and load_report(report)


def test_link_that_leads_nowhere_is_no_file_of_ours(tmp_path):
    (tmp_path / "x.csv").symlink_to("gone.csv")
    with pytest.raises(InputError, match=r"x\.csv would be replaced"):
        own_file(tmp_path / "x.csv", ("# ours",), "--out")
