"""Twins as an RO-Crate: the files, what made them, from which record, whose it is, and under which licence.

RO-Crate 1.1 (Soiland-Reyes et al. 2022, doi 10.3233/DS-210053) after the Process Run Crate profile
(https://w3id.org/ro/wfrun/process/0.5): one CreateAction with the software as its instrument.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..calibration.twin import CalibratedTwin
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError
from ..core.extras import required
from ..prediction.predict import Prediction
from ..records.marks import PREDICTED
from .export_table import export_rows, write_csv
from .fhir_bundle import fhir_bundle
from .lineage import lineage

__all__ = ["write_crate"]

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_SPDX = "https://spdx.org/licenses/"


def write_crate(twins: Sequence[CalibratedTwin], folder: Path, predictions: Sequence[Prediction] = ()) -> Path:
    """Write twins.csv, a FHIR bundle and the lineage of each twin, and ro-crate-metadata.json into an empty folder.

    The record itself is not in the crate: its SHA-256 stands for it. Raises `InputError` when there is no twin or
    `rocrate` (extra `provenance`) is not installed.
    """
    if not twins:
        raise InputError("`twins` must hold at least one twin, but holds none.")
    module = required("rocrate.rocrate", "provenance", "writing an RO-Crate")
    model = required("rocrate.model", "provenance", "writing an RO-Crate")
    crate = module.ROCrate(gen_preview=False)
    facts = twins[0].provenance
    crate.name = f"Calibrated twins of the circulation ({len(twins)})"
    crate.description = f"Values are {PREDICTED} unless their row says measured. {DISCLAIMER}"
    if facts.get("licence"):
        crate.license = _licence(crate, model, facts["licence"])
    files = _files(crate, twins, folder, predictions)
    _action(crate, model, facts, twins[0].circulation, files)
    profile = crate.add(model.ContextEntity(crate, _PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate"}))
    crate.root_dataset["conformsTo"] = profile
    crate.metadata.write(folder)
    return folder


def _files(crate: Any, twins: Sequence[CalibratedTwin], folder: Path, predictions: Sequence[Prediction]) -> list[Any]:
    said = f"{PREDICTED}; {DISCLAIMER}"
    write_csv(export_rows(twins, predictions), folder / "twins.csv")
    files = [_file(crate, folder / "twins.csv", "every value with its interval and its origin", "text/csv")]
    for number, twin in enumerate(twins, 1):
        for name, content, words in (
            (f"twin-{number}-fhir.json", fhir_bundle(twin, predictions), f"FHIR R4 bundle of one twin, {said}"),
            (f"twin-{number}-lineage.json", lineage(twin).plain(), "the rows of the record that one twin was made of"),
        ):
            (folder / name).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
            files.append(_file(crate, folder / name, words, "application/json"))
    return files


def _file(crate: Any, path: Path, words: str, form: str) -> Any:
    from ..core.provenance import sha256_of

    about = {"name": path.stem, "description": words, "encodingFormat": form, "contentSize": str(path.stat().st_size),
             "sha256": sha256_of(path)}  # fmt: skip
    return crate.add_file(str(path), path.name, properties=about)


def _action(crate: Any, model: Any, facts: dict[str, Any], circulation: str, files: list[Any]) -> None:
    software = crate.add(model.ContextEntity(crate, "#hemotwin", {
        "@type": "SoftwareApplication", "name": "hemotwin",
        "softwareVersion": str(facts.get("hemotwin", "not recorded")),
        "description": f"lumped-parameter model of the circulation ({circulation})",
    }))  # fmt: skip
    record = crate.add(model.ContextEntity(crate, "#record", {
        "@type": "CreativeWork", "name": str(facts.get("record", "record")), "description": "not part of this crate",
        **{name: value for name, value in (("sha256", facts.get("record_sha256")),
                                           ("identifier", facts.get("evidence_sha256"))) if value},
    }))  # fmt: skip
    if facts.get("licence"):
        record["license"] = _licence(crate, model, facts["licence"])
    action = crate.add(model.ContextEntity(crate, "#calibration", {
        "@type": "CreateAction", "name": "calibration of twins",
        "description": ", ".join(f"{key} {facts[key]}" for key in ("prior", "noise", "method", "seed", "starts")
                                 if key in facts),
    }))  # fmt: skip
    action["instrument"], action["object"], action["result"] = software, record, files
    if facts.get("date"):
        action["endTime"] = facts["date"]
    if facts.get("steward"):
        steward = {"@type": "Organization", "name": facts["steward"]}
        record["maintainer"] = crate.add(model.ContextEntity(crate, "#steward", steward))
    crate.root_dataset["mentions"] = action


def _licence(crate: Any, model: Any, licence: str) -> Any:
    identity = f"{_SPDX}{licence}" if licence.replace(".", "").replace("-", "").isalnum() else "#licence"
    known = crate.dereference(identity)
    return known or crate.add(model.ContextEntity(crate, identity, {"@type": "CreativeWork", "name": licence}))
