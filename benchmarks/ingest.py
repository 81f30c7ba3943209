"""Are records met as they are: fast, small, unbreakable, with every row accounted for, and without a name that leaves?

A large FHIR export on one core; damaged inputs by the thousand; every folder of real records (HEMOTWIN_DATA) with rows
counted apart from the readers, and the traps that are known to be in them; what de-identification leaves; and the steps
of the readiness ladder. --quick takes a tenth of the export and of the damaged inputs.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bars import Bars
from left_behind import deidentified
from observation_export import write_export
from rows_in import cells, fhir_values, listed, omop_values, signals

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.records.codes import info, observables
from hemotwin.records.folder import plan_of
from hemotwin.records.ladder import left_without
from hemotwin.records.readiness import assess
from hemotwin.records.readiness_tables import tables

OBSERVATIONS, READ_SECONDS, READ_GIGABYTES = 100_000, 20.0, 1.0
DAMAGED, DAMAGED_GIGABYTES = 1000, 2.0
LADDERS = 200  # records to which data are added
_READ = """
import json, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import hemotwin as ht
began, burnt = time.perf_counter(), time.process_time()
records = ht.read(sys.argv[1])
took = time.perf_counter() - began, time.process_time() - burnt
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"wall": took[0], "cpu": took[1], "peak_GB": peak / 1e6, **records.summary()}))
"""
MAPPINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "cases/scapis80_cuff_mri.csv": ("id", {
        "sbp": ("sbp", "mmHg", "cuff"), "dbp": ("dbp", "mmHg", "cuff"), "lvedv_ml": ("lv_edv", "mL", "cmr"),
        "lvesv_ml": ("lv_esv", "mL", "cmr"), "sv_flow_aortic_valve_ml": ("stroke_volume", "mL", "flow4d"),
        "hr_bpm": ("heart_rate", "/min", None)}),
    "flow4d_80subjects/subjects_summary.csv": ("subject", {
        "edv": ("lv_edv", "mL", "cmr"), "esv": ("lv_esv", "mL", "cmr"), "sv_av": ("stroke_volume", "mL", "flow4d"),
        "sbp": ("sbp", "mmHg", "cuff"), "dbp": ("dbp", "mmHg", "cuff"), "hr": ("heart_rate", "/min", None)}),
}  # fmt: skip
FAULTY = {
    "s25047/s25047-2704-05-04-10-44.hea": "the line is disconnected",
    "03700181.hea": "implausible as arterial pressure",
    "s00001/s00001-2896-10-10-00-31n.hea": "zero is a missing value",
}


def large_export(bars: Bars) -> None:
    """One hundred thousand observations, as lines and as a bundle, in a process of its own on one core."""
    count = OBSERVATIONS // 10 if bars.quick else OBSERVATIONS
    with tempfile.TemporaryDirectory() as name:
        for path in write_export(Path(name), count):
            done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
            found, kind = json.loads(done.stdout), "ndjson" if path.suffix == ".ndjson" else "bundle"
            bars.most(f"export.{kind}", found["wall"] * OBSERVATIONS / count, READ_SECONDS, "s")
            bars.figure(f"export.{kind}.cpu", found["cpu"] * OBSERVATIONS / count, "s")
            bars.most(f"export.{kind}.memory", found["peak_GB"], READ_GIGABYTES, "GB")
            bars.most(f"export.{kind}.rows_lost", abs(found["rows"] - fhir_values(path)), 0)


def damaged_inputs(bars: Bars) -> None:
    """A thousand damaged inputs over every reader: a named error, or every row accounted for."""
    script = Path(__file__).with_name("damaged_records.py")
    stop = DAMAGED // 10 if bars.quick else DAMAGED
    done = subprocess.run([sys.executable, str(script), "0", str(stop)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    bars.tables["damaged"] = found
    bars.least("damaged.inputs", sum(found["ends"].values()), stop)
    bars.most("damaged.tracebacks_hangs_or_lost_rows", len(found["bad"]), 0)
    bars.most("damaged.written_outside", found["outside"], 0)
    bars.most("damaged.memory", found["peak_GB"], DAMAGED_GIGABYTES, "GB")
    bars.figure("damaged.longest", found["longest_s"], "s")
    for seed, ended in found["bad"][:10]:
        print(f"seed {seed}: {ended}")


def folders(bars: Bars, data: Path) -> None:
    """Rows out of each folder against the values that are in it, counted without the readers."""
    lost: dict[str, int] = {}
    for name in ("fhir_mii_icu", "fhir_synthea_r4", "fhir_us_core"):
        files = sorted((data / name).iterdir())
        resources = [path for path in files if path.suffix in (".json", ".ndjson")]
        rows_in = sum(map(fhir_values, resources)) + len(files) - len(resources)
        lost[name] = abs(_rows(ht.read(data / name)) - rows_in)
    origins = Counter(row.origin.split()[0] for row in ht.read(data / "omop_synthea27nj").rows)
    values = omop_values(next((data / "omop_synthea27nj").glob("*.zip")))
    lost["omop_synthea27nj"] = sum(abs(origins[table] - count) for table, count in values.items())
    lost["rhc_patient233"] = abs(_rows(ht.read(data / "rhc_patient233" / "patient233.json"))
                                 - listed(data / "rhc_patient233" / "patient233.json"))  # fmt: skip
    seen = (re.match(r"(\S+) signal (\d+)", row.origin) for row in ht.read(data / "waveforms_wfdb").rows)
    lost["waveforms_wfdb"] = len(signals(data / "waveforms_wfdb") - {(one[1], int(one[2])) for one in seen if one})
    for place in MAPPINGS:
        lost[place] = abs(_rows(_mapped(data, place)) - cells(data / place, (MAPPINGS[place][0],)))
    for name, count in lost.items():
        bars.most(f"rows_lost.{name}", count, 0)
    bars.most("rows_lost.files_without_a_word", _silent(data), 0)


def _rows(records: Any) -> int:
    counts = records.summary()
    return sum(counts[fate] for fate in ("used", "derived", "duplicate", "quarantined"))


def _mapped(data: Path, place: str) -> Any:
    patient, columns = MAPPINGS[place]
    entries = {
        header: {"observable": name, "unit": unit, **({"modality": how} if how else {})}
        for header, (name, unit, how) in columns.items()
    }
    return ht.read(data / place, mapping={"patient": patient, "columns": entries})


def _silent(data: Path) -> int:
    """Files of all folders that belong to no source and have no row of their own, and sources that say nothing."""
    plan = plan_of(data)
    spoken_of = {path for path, _ in plan.unread} | {path for one in plan.sources for path in one[2]}
    silent = [path for path in data.rglob("*") if path.is_file() and path not in spoken_of]
    for _, path, _ in plan.sources:
        try:
            mute = not len(ht.read(path).rows)
        except InputError as error:
            mute = path.name not in str(error)
        silent += [path] * mute
    for path in silent:
        print(f"nothing is said of {path.relative_to(data)}")
    return len(silent)


def traps(bars: Bars, data: Path) -> None:
    """What is known to be wrong in the real records, and must be found."""
    found = 0
    for place, reason in FAULTY.items():
        rows = ht.read(data / "waveforms_wfdb" / place).rows
        found += any(row.fate == "quarantined" and reason in row.reason for row in rows)
    bars.least("traps.faulty_waveforms_of_3", found, 3)
    subjects = _mapped(data, "flow4d_80subjects/subjects_summary.csv")
    flagged = sum("stroke_volume_against_output" in {flag.rule for flag in one.flags} for one in subjects)
    bars.between("traps.stroke_volume_mismatches_of_80", flagged, 26, 26)
    (transplant,) = ht.read(data / "rhc_patient233" / "patient233.json")
    bars.least("traps.output_conflict_of_transplant", sum("41 % apart" in text for text in transplant.conflicts), 1)
    synthea = ht.read(data / "fhir_synthea_r4" / "hf_patients_trimmed.ndjson")
    bars.most("traps.heart_rates_guessed", sum(m.observable == "heart_rate" for one in synthea for m in one), 0)
    bars.least("traps.missing_heart_rates_reported_of_49", _without(synthea, "heart rate"), 49)
    persons = ht.read(data / "omop_synthea27nj")
    ages = [one.covariates["age"] for one in persons if "age" in one.covariates]
    bars.between("traps.persons", len(persons), 28, 28)
    bars.least("traps.children", sum(age < 18 for age in ages), 1)
    panel = ht.read(data / "fhir_mii_icu")
    wrong = [m for one in panel for m in one if m.observable == "sbp" and m.value == 18]
    bars.most("traps.pulmonary_as_systemic", len(wrong), 0)
    units = [row for row in panel.rows if "resistance" in f"{row.field} {row.reason}".lower() and row.fate != "used"]
    bars.least("traps.resistance_units_found", sum("unit" in row.reason for row in units), 1)


def _without(records: Any, reading: str) -> int:
    """Patients without a reading, by the table of readiness."""
    (table,) = [one for one in tables(assess(records)) if one.title == "Reading by reading"]
    return next(int(row["without"]) for row in table.records() if row["reading"] == reading)


def ladder(bars: Bars) -> None:
    """Taking something away lowers the level by the documented step; adding never does."""
    rows = [("sbp", "127", "mmHg", "cuff"), ("dbp", "92", "mmHg", "cuff"),
            ("pa_pressure_mean", "51", "mmHg", "catheter"), ("pcwp_mean", "17", "mmHg", "catheter"),
            ("ra_pressure_mean", "18", "mmHg", "catheter"),
            ("cardiac_output", "6.3", "L/min", "thermodilution"), ("heart_rate", "90", "/min", "monitor")]  # fmt: skip
    consent = [{"patient": "A", "purpose": "", "decision": "permit"}]
    governed = {"steward": "Ward 7", "licence": "CC-BY-4.0", "consent": consent}

    def lines(without: str = "") -> list[str]:
        return [f"A,{name},{value},{'' if without == 'unit' else unit},{'' if without == 'time' else '2019-03-01'},"
                f"{'' if without == 'method' else how}" for name, value, unit, how in rows]  # fmt: skip

    with tempfile.TemporaryDirectory() as name:

        def level(given: list[str], governance: dict[str, Any] | None = None) -> int:
            path = Path(name) / "t.csv"
            path.write_text("\n".join(["patient,observable,value,unit,time,method", *given]) + "\n")
            return assess(ht.read(path, governance=governed if governance is None else governance)).level

        bars.between("ladder.all_there", level(lines()), 7, 7)
        for gap, left in left_without().items():
            without_consent = {key: value for key, value in governed.items() if key != "consent"}
            found = level(lines(gap), without_consent if gap == "consent" else None)
            bars.between(f"ladder.without_{gap}", found, left, left)
        bars.most("ladder.lowered_by_more_data", _lowered(lines(), level, 20 if bars.quick else LADDERS), 0)


def _lowered(lines: list[str], level: Any, count: int) -> int:
    """How often a further row, sound, odd or contradicting, lowered the level."""
    draw, names, lowered = random.Random(7), [*observables(), "height", "weight", "sex", "age", "nonsense"], 0
    for _ in range(count):
        kept = [one for one in lines if draw.random() < 0.9] or lines[:1]
        before = level(kept)
        for _ in range(3):
            kept = [*kept, *(_line(draw, draw.choice(names)) for _ in range(draw.randint(1, 8)))]
            draw.shuffle(kept)
            now = level(kept)
            lowered += now < before
            before = now
    return lowered


def _line(draw: random.Random, name: str) -> str:
    value, unit, how = draw.choice(["x", "-1", "0", "5", "120", "9999", "<10", "55-60"]), "", ""
    if name in observables() and draw.random() < 0.6:
        about = info(name)
        low, high = about.low or 0.0, about.high or 1.0
        value, unit, how = f"{low + draw.random() * (high - low):.3g}", about.unit, "catheter"
    when = draw.choice(["", "2019-03-01", "2019-03-02", "2019-02-28T23:00", "2020-01-01", "soon"])
    return f"{draw.choice('AB')},{name},{value},{unit},{when},{how}"


def main() -> int:
    """Measure each question and say whether it holds; 1 when a bar is missed."""
    bars = Bars("ingest", __doc__ or "")
    place = os.environ.get("HEMOTWIN_DATA")
    if not place or not Path(place).is_dir():
        raise InputError("HEMOTWIN_DATA must be the folder of real records, whose rows and traps are counted.")
    large_export(bars)
    damaged_inputs(bars)
    folders(bars, Path(place))
    traps(bars, Path(place))
    deidentified(bars, Path(place))
    ladder(bars)
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
