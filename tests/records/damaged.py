"""Damaged, hostile and merely odd inputs, made from good ones by a seed."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from .build import component, concept, observation
from .signals import pulses, write_edf, write_wfdb

__all__ = ["KINDS", "damaged", "good_inputs"]

HUGE = [
    "1e400",
    "9" * 400,
    "-1e308",
    "NaN",
    "Infinity",
    "-0",
    "0x10",
    "1,5",
    "１２０",
    "\u0000",
    "\u202e120",
    "true",
    "",
]
ODD: list[Any] = [
    None, True, [], {}, [[]], {"value": {}}, 1e400, float("nan"), -1, 10**30, "\u0000\u0007\u001b[2J",
    "<!ENTITY a '&b;'>", "x" * 5000, "../../etc/passwd", "=cmd|' /C calc'!A0",
]  # fmt: skip
NAMES = ["../out.csv", "/var/out.csv", "C:\\out.csv", "a/../../out.csv", "..\\..\\out.csv", "a\x07.csv", "con"]
NAMES.append("x" * 300 + ".csv")
TRICKS = [
    "../../etc/passwd",
    "/etc/passwd",
    "~",
    "9" * 30,
    "-1",
    "0",
    "1e-300",
    "nan",
    "r1/3",
    "r1",
    "212",
    "524",
    "\n",
]
MAPPINGS = [
    "patient: [", "- 1", "columns: 3", "columns: {a: {observable: sbp, unit: furlong}}", "!!python/object:os.system x",
    "a: &a [*a]", "columns: {id: {observable: sbp}}\npatient: nowhere", "\x00", "proposed: true", "[" * 5000,
]  # fmt: skip


def good_inputs(folder: Path) -> dict[str, bytes]:
    """One good file of every format, by its name."""
    import duckdb
    import pyarrow
    from pyarrow import parquet

    rows = "patient,observable,value,unit,sd,time\nA,sbp,112,mmHg,3,2020-01-01\nA,dbp,76,mmHg,,\nB,sex,m,,,\n"
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in _resources()]}
    made = {
        "t.csv": rows.encode(), "w.csv": b"id,sbp [mmHg],age (a)\n1,112,60\n2,120,50\n",
        "b.json": json.dumps(bundle).encode(),
        "x.ndjson": "\n".join(map(json.dumps, _resources())).encode(),
        "o.json": json.dumps({"observations": [{"observable": "sbp", "value": 112, "unit": "mmHg"}]}).encode(),
    }  # fmt: skip
    table = pyarrow.table({"patient": ["A"], "observable": ["sbp"], "value": [112.0], "unit": ["mmHg"]})
    parquet.write_table(table, str(folder / "t.parquet"))
    cdm = {"measurement_id": [1], "person_id": [1], "measurement_concept_id": [3004249], "value_as_number": [112.0],
           "unit_concept_id": [8876]}  # fmt: skip
    parquet.write_table(pyarrow.table(cdm), str(folder / "measurement.parquet"))
    with duckdb.connect(str(folder / "cdm.duckdb")) as database:
        database.execute(f"CREATE TABLE measurement AS SELECT * FROM read_parquet('{folder / 'measurement.parquet'}')")
    write_wfdb(folder, "r1", {"ABP": pulses(10)}, ["mmHg"])
    write_edf(folder / "r1.edf", {"ABP": pulses(10)}, ["mmHg"])
    write_mat(folder / "m.mat")
    made["m_mapping.yaml"] = (
        b"columns: {d.sbp: {observable: sbp, unit: mmHg}}\nsignals: {p: {channel: ABP, unit: mmHg, rate: f}}"
    )
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/t.csv", rows)
    for path in folder.iterdir():
        made[path.name] = path.read_bytes()
        path.unlink()
    return made


def write_mat(path: Path, compressed: bool = True, **more: Any) -> None:
    """A MATLAB file with a structure, a trace and its rate."""
    from scipy.io import savemat

    held = {"d": {"sbp": 112.0, "who": "A"}, "p": pulses(10).reshape(-1, 1), "f": 125.0, **more}
    savemat(str(path), held, do_compression=compressed)


def growing_mat(megabytes: int) -> bytes:
    """A small MATLAB file whose one variable unpacks to so many megabytes of zeros."""
    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(1 << 20)) for _ in range(megabytes)) + packing.flush()
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed


def nested_cells(depth: int) -> bytes:
    """A MATLAB file of one cell in a cell in a cell, by its bytes: no writer makes so many."""
    flags, dims = struct.pack("<IIII", 6, 8, 1, 0), struct.pack("<IIii", 5, 8, 1, 1)
    inner = struct.pack("<II", 14, 0)
    for _ in range(depth):
        body = flags + dims + struct.pack("<II", 1, 0) + inner
        inner = struct.pack("<II", 14, len(body)) + body
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + inner


def _resources() -> list[dict[str, Any]]:
    panel = observation(
        concept("85354-9"), effectiveDateTime="2020-01-01",
        component=[component("8480-6", value=120), component("8462-4", value=80)],
    )  # fmt: skip
    person = {"resourceType": "Patient", "id": "A", "gender": "male", "birthDate": "1960-01-01"}
    return [person, panel, observation(concept("8867-4"), 70, "/min")]


def damaged(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """Write one damaged input below the folder and return what is to be read."""
    rare = next((kind for kind, share in RARE.items() if rng.random() < share), None)
    usual = [kind for kind in KINDS if kind not in RARE]
    kind = rare or usual[int(rng.integers(len(usual)))]
    return kind(folder, good, rng)


def _bytes(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """Any format with some bytes replaced, taken out or put in."""
    name = str(rng.choice(sorted(good)))
    data = bytearray(good[name])
    for _ in range(int(rng.integers(1, 8))):
        at, out, size = int(rng.integers(len(data) + 1)), int(rng.integers(9)), int(rng.integers(9))
        data[at : at + out] = bytes(rng.integers(0, 256, size, dtype=np.uint8))
    return _write(folder, good, name, bytes(data))


def _cut(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """Any format cut off, or with something behind its end."""
    name = str(rng.choice(sorted(good)))
    data = good[name]
    tail = bytes(rng.integers(0, 256, 50, dtype=np.uint8)) if rng.random() < 0.3 else b""
    return _write(folder, good, name, data[: int(rng.integers(len(data) + 1))] + tail)


def _renamed(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """The content of one format under the ending of another."""
    content, name = (str(one) for one in rng.choice(sorted(good), 2))
    return _write(folder, good, name, good[content])


def _cells(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """A table with cells of any kind, and sometimes too many or too few of them."""
    lines = good[str(rng.choice(["t.csv", "w.csv"]))].decode().splitlines()
    for k in range(int(rng.integers(1, 4))):
        cells = lines[k % len(lines)].split(",")
        cells[int(rng.integers(len(cells)))] = str(rng.choice(HUGE))
        cells += [""] * int(rng.integers(0, 3))
        lines[k % len(lines)] = str(rng.choice([",", ";", "\t", ',"'], p=[0.7, 0.1, 0.1, 0.1])).join(cells)
    lines += lines[1:] * int(rng.integers(0, 3))
    return _write(folder, good, "t.csv", "\n".join(lines).encode("utf-8", "surrogatepass"))


def _tree(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """JSON with parts replaced by other types, repeated, or nested without end."""
    resources: Any = json.loads(good["b.json"])
    for _ in range(int(rng.integers(1, 5))):
        _replace(resources, rng)
    text = json.dumps(resources)
    if rng.random() < 0.15:
        depth = int(rng.integers(100, 200_000))
        text = text.replace("120", "[" * depth + "]" * depth, 1)
    if rng.random() < 0.1:
        text = text.replace('"value": 80', f'"value": {rng.choice(HUGE[:3])}')
    if rng.random() < 0.5:
        return _write(folder, good, "b.json", text.encode())
    return _write(folder, good, "x.ndjson", (text + "\n" + text[: len(text) // 2] + "\n" + text).encode())


def _replace(tree: Any, rng: np.random.Generator) -> None:
    while isinstance(tree, dict | list) and tree:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = keys[int(rng.integers(len(keys)))]
        if rng.random() < 0.25 or not isinstance(tree[key], dict | list):
            tree[key] = deepcopy(ODD[int(rng.integers(len(ODD)))])
            return
        if isinstance(tree, list) and rng.random() < 0.2:
            tree.append(deepcopy(tree[key]))
        tree = tree[key]


def _archive(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """An archive with names that reach out, links, archives inside, or a member that grows without end."""
    path = folder / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        choice = rng.random()
        if choice < 0.4:
            archive.writestr(str(rng.choice(NAMES)), good["t.csv"])
        elif choice < 0.5:
            archive.writestr("t.csv", b"patient,observable,value,unit\n" + b"0" * (40 << 20))
        elif choice < 0.6:
            archive.writestr("inner.zip", good["z.zip"])
        elif choice < 0.7:
            link = zipfile.ZipInfo("t.csv")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
        else:
            for name in rng.choice(sorted(good), int(rng.integers(1, 5)), replace=False):
                archive.writestr(f"{rng.choice(['', 'a/', 'a/b/'])}{name}", good[str(name)])
    return path


def _repeated(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """Resources or rows that share one identity: the same patient, observation or person twice, with other content."""
    if rng.random() < 0.4:
        lines = good["t.csv"].decode().splitlines()
        lines += [line.replace("112", str(rng.choice(HUGE))) for line in lines[1:]] * int(rng.integers(1, 20))
        return _write(folder, good, "t.csv", "\n".join(lines).encode("utf-8", "surrogatepass"))
    resources: Any = json.loads(good["b.json"])
    entries = resources["entry"]
    for _ in range(int(rng.integers(1, 9))):
        other = deepcopy(entries[int(rng.integers(len(entries)))])
        other["resource"] |= {"id": str(rng.choice(["A", "a", "", "Patient/A", "#A", "A" * 300]))}
        other["fullUrl"] = str(rng.choice(["urn:uuid:A", "A", "../A", ""]))
        if "valueQuantity" in other["resource"]:
            other["resource"]["valueQuantity"]["value"] = ODD[int(rng.integers(len(ODD)))]
        entries.append(other)
    return _write(folder, good, "b.json", json.dumps(resources).encode())


def _entities(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """A small XML text whose entities grow a billionfold where a parser expands them, under any ending."""
    lines = ["<?xml version='1.0'?>", "<!DOCTYPE r [", "<!ENTITY a0 'lol'>", "<!ENTITY x SYSTEM 'file:///etc/passwd'>"]
    lines += [f"<!ENTITY a{k} '{f'&a{k - 1};' * 10}'>" for k in range(1, 10)]
    text = "\n".join([*lines, "]>", "<r>&a9;&x;</r>"])
    name = str(rng.choice([*sorted(good), "r.xml", "r.html", "t_mapping.yaml"]))
    if name.endswith(".yaml"):
        aliases = ["&a0 [lol]", *(f"&a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10))]
        (folder / name).write_text(f"columns: {{x: [{', '.join(aliases)}]}}")
        return _write(folder, good, "t.csv", good["t.csv"])
    return _write(folder, good, name, text.encode())


def _growing(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """A small file that holds far more rows, members or text than it seems."""
    choice = rng.random()
    if choice < 0.2:
        (folder / "m.mat").write_bytes(growing_mat(300))
        return folder / "m.mat"
    if choice < 0.3:
        (folder / "m.mat").write_bytes(nested_cells(int(rng.choice([10, 100, 2000]))))
        return folder / "m.mat"
    if choice < 0.5:
        import pyarrow
        from pyarrow import parquet

        text = pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(np.zeros(30_000_000, dtype=np.int32)), pyarrow.array(["x" * 50])
        )
        parquet.write_table(pyarrow.table({"patient": text, "sbp [mmHg]": text}), str(folder / "t.parquet"))
        return folder / "t.parquet"
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        if choice < 0.7:
            for k in range(12_000):
                archive.writestr(f"{k}.csv", b"a")
        else:
            archive.writestr("b.json", b'{"resourceType": "Bundle", "entry": [' + b" " * (80 << 20) + b"]}")
    return folder / "z.zip"


def _header(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """A waveform header that names other files, or more samples than there are."""
    words = good["r1.hea"].decode().split(" ")
    for _ in range(int(rng.integers(1, 3))):
        words[int(rng.integers(len(words)))] = str(rng.choice(TRICKS))
    return _write(folder, good, "r1.hea", " ".join(words).encode())


def _mapping(folder: Path, good: dict[str, bytes], rng: np.random.Generator) -> Path:
    """A mapping that is no mapping."""
    (folder / "w_mapping.yaml").write_text(str(rng.choice(MAPPINGS)))
    return _write(folder, good, "w.csv", good["w.csv"])


def _write(folder: Path, good: dict[str, bytes], name: str, data: bytes) -> Path:
    """The file, with those that it stands with; sometimes the folder is read and not the file."""
    beside = {"r1.hea": ["r1.dat"], "r1.dat": ["r1.hea"], "m.mat": ["m_mapping.yaml"]}.get(name, [])
    for other in beside:
        (folder / other).write_bytes(good[other])
    (folder / name).write_bytes(data)
    if name == "r1.dat":
        return folder / "r1.hea"
    return folder if name == "measurement.parquet" or len(data) % 5 == 0 else folder / name


KINDS: tuple[Callable[[Path, dict[str, bytes], np.random.Generator], Path], ...] = (
    _bytes, _cut, _renamed, _cells, _tree, _archive, _header, _mapping, _repeated, _entities, _growing,
)  # fmt: skip
RARE = {_growing: 0.05}  # these take a second each: chosen so often, whatever their number
