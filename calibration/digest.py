"""One hash of all that a twin says, and of nothing that depends on where its rows stood or when it was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .twin import CalibratedTwin

__all__ = ["twin_sha256"]

PLACES = ("rows", "provenance", "waves", "posterior")  # of a twin: the account of its making; data sets, taken by bytes
ORIGIN = ("origin", "note")  # of a fit row
LEFT_ASIDE = "was left aside"  # a sentence that names a row of the record and says that it had no part in the twin


def twin_sha256(twin: CalibratedTwin) -> str:
    """SHA-256 over parameters, fit, quantities, modes, intervals, conflicts, certificate, waves and posterior draws.

    Every digit counts, so equal hashes are equal twins; two calibrations of the same evidence with the same settings
    and libraries on the same kind of machine give the same. Rows of the record, origins and provenance do not enter: a
    twin from which a reading was withdrawn and one that never had it are the same.
    """
    plain = {f.name: getattr(twin, f.name) for f in dataclasses.fields(twin) if f.name not in PLACES}
    plain["fit"] = [{k: v for k, v in dataclasses.asdict(row).items() if k not in ORIGIN} for row in twin.fit]
    plain["assumptions"] = [sentence for sentence in twin.assumptions if LEFT_ASIDE not in sentence]
    plain["status"] = twin.status.name
    if twin.sampling is None:  # a file of before it was known: its hash stays what it was
        del plain["sampling"]
    if twin.certificate.step_error is None:  # likewise
        plain["certificate"] = {k: v for k, v in dataclasses.asdict(twin.certificate).items() if k != "step_error"}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True, default=_plain).encode())
    for data in (twin.waves, twin.posterior):
        for name in sorted(map(str, data.variables)):
            values = np.asarray(data.variables[name].values)
            digest.update(name.encode() + str(data.variables[name].dims).encode())
            digest.update(json.dumps(values.tolist()).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.item() if isinstance(value, np.generic) else str(value)
