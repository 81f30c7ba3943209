"""WFDB and EDF records: the same signal gives the same readings, and a faulty one says why it gives none."""

import sys
from pathlib import Path

import numpy as np
import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.readiness import assess

from .build import checked, values
from .signals import RATE, pulses, write_edf, write_wfdb

pytest.importorskip("wfdb")
pytest.importorskip("pyedflib")

CHANNELS = [("sbp", "catheter"), ("dbp", "catheter"), ("heart_rate", "monitor"), ("pa_pressure_systolic", "catheter")]


def two_lines(seconds: float = 60) -> dict[str, np.ndarray]:
    return {"ABP": pulses(seconds), "PAP": pulses(seconds, 28, 9)}


def segments(folder: Path, *parts: np.ndarray | int, name: str = "r1") -> Path:
    """A record in segments; a whole number is a gap of so many samples."""
    lines, total = [], 0
    for k, part in enumerate(parts):
        if isinstance(part, int):
            lines.append(f"~ {part}")
            total += part
        else:
            write_wfdb(folder, f"{name}_{k:04d}", {"ABP": part}, ["mmHg"])
            lines.append(f"{name}_{k:04d} {len(part)}")
            total += len(part)
    first = f"{name}/{len(parts)} 1 {RATE:g} {total} 08:00:00 01/03/2024"
    (folder / f"{name}.hea").write_text("\n".join([first, *lines]))
    return folder / f"{name}.hea"


@pytest.mark.parametrize("kind", ["wfdb", "edf"])
def test_pressures_and_one_heart_rate_come_with_time_and_modality(tmp_path, kind):
    if kind == "wfdb":
        path = write_wfdb(tmp_path, "r1", two_lines(), ["mmHg", "mmHg"])
    else:
        path = write_edf(tmp_path / "r1.edf", two_lines(), ["mmHg", "mmHg"])
    records = checked(ht.read(path))
    (patient,) = records.patients
    found = values(records, patient)
    assert found.keys() >= set(CHANNELS)
    assert found["sbp", "catheter"] == pytest.approx(120, abs=1.5)
    assert found["pa_pressure_systolic", "catheter"] == pytest.approx(28, abs=1)
    assert found["heart_rate", "monitor"] == pytest.approx(75, abs=0.5)
    assert sum("rate" in row.origin for row in records.rows) == 1
    assert {m.time for m in records[patient]} == {"2024-03-01T08:00:59"}


def test_edf_gives_code_and_sex_and_never_the_name(tmp_path):
    records = ht.read(write_edf(tmp_path / "r1.edf", two_lines(), ["mmHg", "mmHg"]))
    assert records.patients == ["E7"] and records["E7"].covariates["sex"] == "female"
    assert "Grace" not in repr(records.table()) + repr(records["E7"].table())


def test_recording_identifies_a_person_by_a_code_or_a_folder_and_not_by_its_own_name(tmp_path):
    lines, units = {"ABP": pulses()}, ["mmHg"]
    coded, plain = (write_edf(tmp_path / f"{code}.edf", lines, units, code=code) for code in ("E7", "X"))
    folder = tmp_path / "p000033"
    folder.mkdir()
    matched = write_wfdb(folder, "p000033-2116-12-24-12-35", lines, units)
    record = write_wfdb(tmp_path, "r1", lines, units)
    known = [next(iter(checked(ht.read(path)))).identified for path in (coded, plain, matched, record)]
    assert known == [True, False, True, False]


def test_segments_with_a_gap_are_one_record(tmp_path):
    path = segments(tmp_path, pulses(20), 1000, pulses(20))
    records = checked(ht.read(path))
    assert values(records, "r1")["sbp", "catheter"] == pytest.approx(120, abs=1.5)
    gap = next(row for row in records.rows if row.field == "ABP missing")
    assert gap.text == "8.0" and gap.fate == "quarantined"
    assert ht.read(tmp_path).patients == ["r1"]  # in the folder the segments do not count again


def test_matched_layout_gives_the_subject_of_the_folder(tmp_path):
    folder = tmp_path / "s00042"
    folder.mkdir()
    write_wfdb(folder, "3900001_0003", {"ABP": pulses(30)}, ["mmHg"])
    numerics = {"HR": np.array([0.0, 71, 73, 72]), "NBPSys": np.array([0.0, 0, 0, 0])}
    write_wfdb(folder, "s00042-2024-03-01-08-00n", numerics, ["bpm", "mmHg"], rate=1 / 60)
    records = checked(ht.read(tmp_path))
    assert records.patients == ["s00042"]
    rows = {row.field: row for row in records.rows}
    assert rows["HR zero"].text == "1 of 4 samples" and "zero is a missing value" in rows["NBPSys zero"].reason
    assert ("sbp", "cuff") not in values(records, "s00042")


def test_mean_that_a_monitor_recorded_counts_however_near_it_lies_to_a_third_of_the_pulse(tmp_path):
    folder = tmp_path / "s00042"
    folder.mkdir()
    pressures = {"NBPSys": 120.0, "NBPDias": 75.0, "NBPMean": 90.0}  # 75 + 45/3 = 90 exactly
    numbers = {name: np.full(30, value) for name, value in pressures.items()}
    write_wfdb(folder, "s00042-2024-03-01-08-00n", numbers, ["mmHg"] * 3, rate=1 / 60)
    told = {m.observable: m.kind for m in checked(ht.read(folder))["s00042"]}
    assert told == {"sbp": "exact", "dbp": "exact", "map": "exact"}
    table = tmp_path / "t.csv"  # the same in a table may have been computed: counting it twice would be wrong
    rows = [f"A,{name},{value},mmHg,cuff" for name, value in (("sbp", 120), ("dbp", 75), ("map", 90))]
    table.write_text("\n".join(["patient,observable,value,unit,method", *rows]))
    assert {m.observable: m.kind for m in checked(ht.read(table))["A"]}["map"] == "derived"


def test_signal_that_is_refused_is_recorded_and_not_usable_and_not_missing(tmp_path):
    records = checked(ht.read(write_wfdb(tmp_path, "r1", {"ABP": pulses(60, 50, 25)}, ["mmHg"])))
    found = assess(records)
    assert found.patients[0].unusable == {"map"} and found.level == 1
    assert "pressure signals that are no pressure of a patient" in str(records.quality())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("path", "r1 1 125 1000\n../../etc/passwd 16 1/mmHg 16 0 0 0 0 ABP\n", "files must lie beside the header"),
        ("absolute", "r1 1 125 1000\n/etc/passwd 16 1/mmHg 16 0 0 0 0 ABP\n", "files must lie beside the header"),
        ("segment", "r1/1 1 125 1000\n../r2 1000\n", "files must lie beside the header"),
        ("itself", "r1/1 1 125 1000\nr1 1000\n", "r1.hea: "),
        ("absent", "r1 1 125 1000\nr9.dat 16 1/mmHg 16 0 0 0 0 ABP\n", "`r9.dat` is not beside the header"),
        ("short", "r1 1 125 999999999999\nr1.dat 16 1/mmHg 16 0 0 0 0 ABP\n", "`r1.dat` is too short"),
        ("rate", "r1 1 1e-300 100\nr1.dat 16 1/mmHg 16 0 0 0 0 ABP\n", "r1.hea: "),
        ("gap", "r1/1 1 125 999999999999999\n~ 999999999999999\n", "r1.hea: "),
        ("empty", "\n\n", "lacks its first line"),
    ],
)
def test_header_that_reaches_out_or_lies_is_refused(tmp_path, name, text, reason):
    write_wfdb(tmp_path, "r1", {"ABP": pulses(10)}, ["mmHg"])
    (tmp_path / "r1.hea").write_text(text)
    with pytest.raises(InputError) as error:
        ht.read(tmp_path / "r1.hea")
    assert reason in str(error.value) and "passwd: " not in str(error.value)


def test_cut_off_edf_is_refused(tmp_path):
    path = write_edf(tmp_path / "r1.edf", two_lines(), ["mmHg", "mmHg"])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"r1\.edf: the header announces .* it is cut off"):
        ht.read(path)
    path.write_bytes(b"PK\x03\x04" + bytes(400))
    with pytest.raises(InputError, match="no EDF or BDF recording"):
        ht.read(path)


@pytest.mark.parametrize(("library", "name"), [("wfdb", "r1.hea"), ("pyedflib", "r1.edf")])
def test_missing_library_names_the_install_command(tmp_path, monkeypatch, library, name):
    write_wfdb(tmp_path, "r1", {"ABP": pulses(10)}, ["mmHg"])
    write_edf(tmp_path / "r1.edf", {"ABP": pulses(10)}, ["mmHg"])
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"needs {library}.*pip install .*\[wave\]"):
        ht.read(tmp_path / name)


@pytest.mark.real_data
def test_good_records_give_the_pressures_of_their_monitors(data_folder):
    records = checked(ht.read(data_folder / "waveforms_wfdb" / "mixedsignals.hea"))  # FLAC, several rates
    found = values(records, "mixedsignals")
    assert (found["sbp", "catheter"], found["dbp", "catheter"]) == (pytest.approx(160, abs=3), pytest.approx(90, abs=3))
    assert found["heart_rate", "monitor"] == pytest.approx(103, abs=3)
    records = checked(ht.read(data_folder / "waveforms_wfdb" / "041s"))
    found = values(records, "041s")
    assert (found["sbp", "catheter"], found["dbp", "catheter"]) == (pytest.approx(84, abs=2), pytest.approx(42, abs=2))
    assert found["pa_pressure_mean", "catheter"] == pytest.approx(20.7, abs=1)
    assert {m.observable: m.kind for m in records["041s"]}["map"] == "exact"  # 56.0 beside 41.7 + 41.8/3 = 55.6


@pytest.mark.real_data
def test_beats_agree_with_the_numbers_that_the_monitor_computed(data_folder):
    folder = data_folder / "waveforms_wfdb" / "s00001"
    wave = values(checked(ht.read(folder / "3975656_0015.hea")), "s00001")
    numbers = values(checked(ht.read(folder / "s00001-2896-10-10-00-31n.hea")), "s00001")
    for name, allowed in (("sbp", 4), ("dbp", 2), ("map", 4)):  # the monitor's seven minutes are not the same five
        assert wave[name, "catheter"] == pytest.approx(numbers[name, "catheter"], abs=allowed)
    assert wave["heart_rate", "monitor"] == pytest.approx(numbers["heart_rate", "monitor"], abs=2)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("s25047/s25047-2704-05-04-10-44.hea", "the line is disconnected"),
        ("03700181.hea", "implausible as arterial pressure: the signal runs from 25 to 51 mmHg"),
        ("s00001/s00001-2896-10-10-00-31n.hea", "zero is a missing value"),
        ("s00001/3975656_0012.hea", "test signal"),
        ("s00001/3975656_0013.hea", "the line was flushed"),
    ],
)
def test_faulty_record_is_flagged_with_the_right_reason(data_folder, record, reason):
    records = checked(ht.read(data_folder / "waveforms_wfdb" / record))
    flagged = [row for row in records.rows if row.field.startswith("ABP") and row.fate == "quarantined"]
    assert any(reason in row.reason for row in flagged)
    if "flush" not in reason and "zero" not in reason:
        assert not [m for one in records for m in one if m.modality == "catheter"]


@pytest.mark.real_data
def test_folder_of_five_records_adds_up(data_folder):
    records = checked(ht.read(data_folder / "waveforms_wfdb"))
    assert sorted(records.patients) == ["03700181", "041s", "mixedsignals", "s00001", "s25047"]
    assert not [row for row in records.rows if " file " in row.origin]
