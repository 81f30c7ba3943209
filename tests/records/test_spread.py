"""One patient in a table, a Parquet file, a FHIR export and an OMOP model is the patient of one merged table."""

import datetime
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import hemotwin as ht
from hemotwin.records.evidence import evidence_sha256

from .build import bundle, checked, concept, observation, table

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

HEADER = "patient,observable,value,unit,time"
KINDS = {  # LOINC: OMOP concept, unit, its OMOP concept, values of which some repeat and some contradict others
    "8480-6": (3004249, "mm[Hg]", 8876, (118, 118.4, 124, 150)), "8462-4": (3012888, "mm[Hg]", 8876, (70, 76)),
    "8867-4": (3027018, "/min", 8541, (61, 63, 90)), "8741-1": (3005555, "L/min", 8698, (4.1, 4.2, 6)),
    "10230-1": (3027172, "%", 8554, (35, 38, 57.5)), "8302-2": (3036277, "cm", 8582, (170, 171)),
    "29463-7": (3025315, "kg", 9529, (70, 71, 90)),
}  # fmt: skip
MOMENTS = ("2024-03-01T09:30", "2024-03-01T11:00:30", "2024-03-01", "2024-02-20", "2019-05-05T08:00")


class One(NamedTuple):
    """A reading, whoever writes it down."""

    patient: str
    code: str
    value: float
    time: str


def drawn(draw: random.Random, count: int) -> list[One]:
    found = []
    for _ in range(count):
        code = draw.choice(list(KINDS))
        found.append(One(draw.choice("12"), code, draw.choice(KINDS[code][3]), draw.choice(MOMENTS)))
    return found


def as_table(folder: Path, name: str, some: list[One]) -> None:
    clock = {"2024-03-01T09:30": "2024-03-01 09:30:00", "2024-03-01": "2024-03-01 00:00:00"}  # as spreadsheets write it
    lines = [f"{x.patient},{x.code},{x.value},{KINDS[x.code][1]},{clock.get(x.time, x.time)}" for x in some]
    table(folder, *lines, header=HEADER, name=name)


def as_parquet(folder: Path, some: list[One]) -> None:
    columns = {
        "patient": [x.patient for x in some], "observable": [x.code for x in some],
        "value": [float(x.value) for x in some], "unit": [KINDS[x.code][1] for x in some],
        "time": [datetime.datetime.fromisoformat(x.time) for x in some],
    }  # fmt: skip
    parquet.write_table(arrow.table(columns), str(folder / "p.parquet"))


def as_fhir(folder: Path, some: list[One]) -> None:
    bundle(folder, *(
        observation(concept(x.code), x.value, KINDS[x.code][1], subject={"reference": f"Patient/{x.patient}"},
                    effectiveDateTime=x.time) for x in some))  # fmt: skip


def as_omop(folder: Path, some: list[One]) -> None:
    times = [datetime.datetime.fromisoformat(x.time) for x in some]
    columns: dict[str, list[Any]] = {
        "measurement_id": list(range(1, len(some) + 1)), "person_id": [int(x.patient) for x in some],
        "measurement_concept_id": [KINDS[x.code][0] for x in some], "measurement_date": [t.date() for t in times],
        "measurement_datetime": times, "value_as_number": [float(x.value) for x in some],
        "unit_concept_id": [KINDS[x.code][2] for x in some],
    }  # fmt: skip
    (folder / "cdm").mkdir()
    parquet.write_table(arrow.table(columns), str(folder / "cdm" / "measurement.parquet"))


def hashes(folder: Path, readings: list[One], draw: random.Random, **asked: str) -> tuple[str, str]:
    """(evidence of the merged table, evidence of the four sources), over the same readings."""
    folder.mkdir()
    as_table(folder, "merged.csv", readings)
    merged = checked(ht.read(folder / "merged.csv", **asked))
    spread = folder / "spread"
    (spread / "sub").mkdir(parents=True)
    parts: list[list[One]] = [[], [], [], []]
    for one in draw.sample(readings, len(readings)):
        draw.choice(parts).append(one)
    writers = (lambda some: as_table(spread, "t.csv", some), lambda some: as_parquet(spread / "sub", some),
               lambda some: as_fhir(spread, some), lambda some: as_omop(spread, some))  # fmt: skip
    for write, part in zip(writers, parts, strict=True):
        if part:
            write(part)
    records = checked(ht.read(spread, **asked))
    assert records.summary() == merged.summary()
    return evidence_sha256(merged), evidence_sha256(records)


@pytest.mark.parametrize("seed", range(4))
def test_patient_of_four_sources_is_the_patient_of_the_merged_table_by_hash(tmp_path, seed):
    draw = random.Random(seed)
    for number in range(4):
        asked = draw.choice([{}, {"visit": "fullest"}, {"window": "2 years"}, {"visit": "2024-03-01"}])
        one, other = hashes(tmp_path / str(number), drawn(draw, draw.randint(4, 40)), draw, **asked)
        assert one == other


def test_one_value_more_is_another_hash(tmp_path):
    draw = random.Random(1)
    readings = [One("1", "8480-6", 118, MOMENTS[0]), One("1", "8867-4", 61, MOMENTS[0])]
    first, _ = hashes(tmp_path / "a", readings, draw)
    second, _ = hashes(tmp_path / "b", [*readings, One("1", "8462-4", 70, MOMENTS[0])], draw)
    assert first != second
