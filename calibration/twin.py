"""A calibrated twin: what was measured, what was fitted, what is known and what is not; saved whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError, UnknownNameError, each_once
from ..core.rounding import rounded, span
from ..core.status import Status
from ..core.table import Table
from ..core.whole_folder import whole_folder
from ..records.reading import show_range
from ..records.rows import RowFate
from .certificate import Certificate, titled, warning, warnings_of, worded

__all__ = [
    "CalibratedTwin",
    "CalibratedTwins",
    "Certificate",
    "FitRow",
    "Mode",
    "ObservableRow",
    "QuantityRow",
    "Sampling",
    "load",
]

FORMAT = "hemotwin twins 3"
SAVED = ("zarr.json", "twin_*")  # what such a folder holds
READABLE = (FORMAT, "hemotwin twins 2", "hemotwin twins 1")  # 2: no `step_error`; 1: no `sampling`


@dataclass(frozen=True)
class FitRow:
    """One reading: measured, fitted with its 95 % interval, and what the twin would have said without it.

    `left_out` comes from a refit from the prior with this value and its exact functions removed; its interval is for
    the reading itself (noise included). `counted` is False for derived values, which are shown and never fitted.
    `origin` is the row of the record that it came from, `time` when it was taken. A reading known only as a range has
    no `measured` number but `lower` and `upper` (None where a limit has no end), and `difference` is how far the fitted
    value lies outside of it, 0 inside.
    """

    observable: str
    label: str
    unit: str
    modality: str
    kind: str
    measured: float | None
    sd: float | None
    fitted: float
    low: float | None
    high: float | None
    difference: float
    left_out: float | None
    left_out_low: float | None
    left_out_high: float | None
    counted: bool
    verdict: str
    note: str = ""
    origin: str = ""
    time: str | None = None
    lower: float | None = None
    upper: float | None = None

    @property
    def shown(self) -> str | float | None:
        """What was measured as a table shows it: the number, or the range in words ("55 to 60", "below 10")."""
        if self.measured is not None or (self.lower is None and self.upper is None):
            return self.measured
        return show_range(self.lower, self.upper)


@dataclass(frozen=True)
class QuantityRow:
    """One free quantity: prior and posterior (medians or mode, 95 % intervals), contraction and verdict.

    contraction = posterior sd / prior sd in the unconstrained space; z = the mode in prior sds.
    """

    name: str
    symbol: str
    label: str
    unit: str
    kind: str
    prior_median: float
    prior_low: float
    prior_high: float
    value: float
    low: float
    high: float
    contraction: float
    z: float
    verdict: str


@dataclass(frozen=True)
class Mode:
    """One explanation of the data: nats above the best, posterior weight, starts that ended there, its parameters."""

    nats: float
    weight: float
    starts: int
    parameters: dict[str, float]
    description: str


@dataclass(frozen=True)
class ObservableRow:
    """A quantity that was not measured: value at the best mode and 95 % interval."""

    observable: str
    label: str
    unit: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sampling:
    """How the posterior draws were made and what they are worth.

    `method` names them; of `proposed` draws `failed` had no steady beat, or (`impossible` of them; 0 in older files,
    which did not ask) one with a volume that cannot be; `effective` is the number of equally weighted draws that tell
    as much, `pareto_k` the shape of the weights' tail over all `rounds` of proposals (inf: there is no such tail);
    `reliable` when k is within min(1 - 1/log10(proposed), 0.7).
    """

    method: str
    proposed: int
    failed: int
    effective: float
    pareto_k: float
    rounds: int
    reliable: bool
    sentence: str
    impossible: int = 0


@dataclass(frozen=True, repr=False)
class CalibratedTwin:
    """One patient's twin. `posterior` holds the modes, then the draws: parameters, states and readings of each.

    `sampling` says what the draws are worth; it is None in files of before version 2, whose draws are Laplace's.
    """

    patient: str
    covariates: dict[str, Any]
    circulation: str
    version: str
    parameters: dict[str, float]
    fit: tuple[FitRow, ...]
    quantities: tuple[QuantityRow, ...]
    modes: tuple[Mode, ...]
    unmeasured: tuple[ObservableRow, ...]
    conflicts: tuple[str, ...]
    assumptions: tuple[str, ...]
    rows: tuple[RowFate, ...]
    certificate: Certificate
    status: Status
    provenance: dict[str, Any]
    waves: xr.Dataset = field(compare=False)
    posterior: xr.Dataset = field(compare=False)
    sampling: Sampling | None = None

    @property
    def free(self) -> tuple[QuantityRow, ...]:
        """The free quantities of the model; zero errors of transducers, which are fitted beside them, are none."""
        return tuple(q for q in self.quantities if q.kind != "nuisance")

    @property
    def informed(self) -> tuple[str, ...]:
        """Names of the free quantities that the data informed."""
        return tuple(q.name for q in self.free if q.verdict == "informed")

    @property
    def sha256(self) -> str:
        """Hash of all that the twin says; where its rows stood and when it was made do not enter."""
        from .digest import twin_sha256

        return twin_sha256(self)

    @property
    def dataset(self) -> xr.Dataset:
        """Pressures, volumes and flows of the steady beat at the best mode."""
        return self.waves

    def with_provenance(self, facts: dict[str, Any]) -> CalibratedTwin:
        """The same twin with where it came from."""
        return dataclasses.replace(self, provenance=dict(facts))

    @property
    def note(self) -> str:
        """What is wrong with the numbers, for below a table: the status, a failed certificate, rough draws."""
        rough = "" if self.sampling is None or self.sampling.reliable else self.sampling.sentence
        return " ".join(part for part in (warning(self.status, self.certificate), rough, DISCLAIMER) if part)

    def table(self) -> Table:
        """Measured, fitted, left out, interval, verdict, rounded for the unit; `fit` has every digit."""
        columns = ["reading", "unit", "measured", "fitted", "difference", "without it", "95 % interval", "verdict"]
        rows = []
        for r in self.fit:
            fitted, apart, without = (rounded(value, r.unit) for value in (r.fitted, r.difference, r.left_out))
            wide = span(r.left_out_low, r.left_out_high, r.unit)
            rows.append([r.label, r.unit, r.shown, fitted, apart, without, wide, r.verdict])
        return Table(columns, rows, title=f"Twin of {self.patient}", note=self.note)

    def plot(self) -> Any:
        """Figure of the steady beat of the best explanation (pressures, flows, loops)."""
        from ..core.plots import beat_figure

        title = f"Twin of {self.patient}: best explanation, without its intervals"
        return beat_figure(self.waves, title=titled(title, self.status, self.certificate))

    def save(self, path: str | Path) -> Path:
        """Write this twin alone; see `CalibratedTwins.save`."""
        return CalibratedTwins((self,), {}, self.provenance).save(path)

    def __repr__(self) -> str:
        counted = sum(r.counted for r in self.fit)
        return (
            f"<CalibratedTwin {self.patient}: {self.circulation}, {counted} values, {len(self.informed)} of "
            f"{len(self.free)} quantities informed, {self.status.name}. {DISCLAIMER}>"
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class CalibratedTwins:
    """Twins of a cohort, by patient; `skipped` says why a patient of the records has none.

    Raises `InputError` when a patient is there more than once.
    """

    def __init__(self, twins: tuple[CalibratedTwin, ...], skipped: dict[str, str], provenance: dict[str, Any]) -> None:
        named = (*(twin.patient for twin in twins), *skipped)
        fix = "keep them in cohorts of their own, or rename one with dataclasses.replace(twin, patient=...)"
        each_once("twins", named, fix)
        self._twins = {twin.patient: twin for twin in twins}
        self.skipped, self.provenance = dict(skipped), dict(provenance)

    @property
    def patients(self) -> list[str]:
        """Patients that have a twin."""
        return list(self._twins)

    @property
    def status(self) -> dict[str, Status]:
        """Status by patient; a skipped patient has that of its reason, and otherwise counts as not identifiable."""
        return {p: t.status for p, t in self._twins.items()} | {p: _of_reason(why) for p, why in self.skipped.items()}

    def __getitem__(self, patient: str) -> CalibratedTwin:
        if patient not in self._twins:
            raise UnknownNameError("patient", patient, self.patients)
        return self._twins[patient]

    def __iter__(self) -> Iterator[CalibratedTwin]:
        return iter(self._twins.values())

    def __len__(self) -> int:
        return len(self._twins)

    def table(self) -> Table:
        """Every reading of every patient: measured, fitted, left out, interval, verdict, and the twin's status."""
        rows = [[t.patient, *row, worded(t.status, t.certificate)] for t in self for row in t.table().rows]
        none = self.status
        rows += [[p, "no twin", *[None] * 6, reason, worded(none[p])] for p, reason in self.skipped.items()]
        columns = ["patient", "reading", "unit", "measured", "fitted", "difference", "without it", "95 % interval",
                   "verdict", "status"]  # fmt: skip
        told = warnings_of((twin.patient, twin.status, twin.certificate) for twin in self)
        return Table(columns, rows, title=f"{len(self)} twins", note=f"{told} {DISCLAIMER}".strip())

    def save(self, path: str | Path) -> Path:
        """Write all twins into one zarr folder, which appears whole or not at all.

        An older one is replaced; a file, or a folder of anything else, raises `InputError` and stays. Of saves to one
        path at the same time the last to finish stays, whole.
        """
        head = {"format": FORMAT, "patients": self.patients, "skipped": self.skipped}
        text = json.dumps({**head, "provenance": self.provenance}, default=str)
        with whole_folder(path, SAVED, synced=False) as draft:  # its many small files take longer to sync than to write
            xr.Dataset(attrs={"hemotwin": text}).to_zarr(draft, mode="a", consolidated=False)
            for number, twin in enumerate(self):
                _write(twin, draft, f"twin_{number}")
        return Path(path)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for code in self.status.values():
            counts[code.name] = counts.get(code.name, 0) + 1
        states = ", ".join(f"{n} {name}" for name, n in counts.items())
        return f"<CalibratedTwins: {len(self)} twins, {len(self.skipped)} skipped; {states}. {DISCLAIMER}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _of_reason(reason: str) -> Status:
    """The status whose advice a reason to skip a patient begins with."""
    return next((one for one in Status if reason.startswith(one.advice)), Status.UNIDENTIFIABLE)


_DATASETS = ("waves", "posterior")


def _write(twin: CalibratedTwin, store: Path, group: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        _write_groups(twin, store, group)


def _write_groups(twin: CalibratedTwin, store: Path, group: str) -> None:
    plain = {f.name: getattr(twin, f.name) for f in dataclasses.fields(twin) if f.name not in _DATASETS}
    text = json.dumps(plain, default=_plain, allow_nan=True)
    xr.Dataset(attrs={"twin": text}).to_zarr(store, group=group, mode="a", consolidated=False)
    for name in _DATASETS:
        getattr(twin, name).to_zarr(store, group=f"{group}/{name}", mode="a", consolidated=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


def load(path: str | Path) -> CalibratedTwins:
    """Read twins that `save` wrote, or the folder of a twin that `hemotwin twin` wrote; another kind of folder or an
    unknown format raises `InputError`."""
    source = Path(path)
    source = source / "twin.zarr" if (source / "twin.zarr").is_dir() else source
    if not source.is_dir():
        raise InputError(
            f"`path` must be a folder that hemotwin saved, but {source.name!r} is none; give a .zarr folder."
        )
    try:
        head = json.loads(xr.open_zarr(source, consolidated=False).attrs["hemotwin"])
    except (KeyError, OSError, ValueError) as error:
        raise InputError(
            f"`path` must be a folder that hemotwin saved, but {source.name!r} is none: give the .zarr folder or "
            f"the folder twin-<patient> ({type(error).__name__})."
        ) from None
    if head["format"] not in READABLE:
        raise InputError(f"`path` must hold {FORMAT!r}, but holds {head['format']!r}; load it with that version.")
    twins = tuple(_read(source, f"twin_{number}") for number in range(len(head["patients"])))
    return CalibratedTwins(twins, head["skipped"], head["provenance"])


def _read(store: Path, group: str) -> CalibratedTwin:
    plain = json.loads(xr.open_zarr(store, group=group, consolidated=False).attrs["twin"])
    sets = {name: xr.open_zarr(store, group=f"{group}/{name}", consolidated=False).load() for name in _DATASETS}
    rebuilt = {
        "fit": FitRow, "quantities": QuantityRow, "modes": Mode, "unmeasured": ObservableRow, "rows": RowFate,
    }  # fmt: skip
    for name, kind in rebuilt.items():
        plain[name] = tuple(kind(**entry) for entry in plain[name])
    plain["conflicts"], plain["assumptions"] = tuple(plain["conflicts"]), tuple(plain["assumptions"])
    plain["certificate"], plain["status"] = Certificate(**plain["certificate"]), Status(plain["status"])
    if plain.get("sampling") is not None:
        plain["sampling"] = Sampling(**plain["sampling"])
    fields: dict[str, Any] = {**plain, **sets}
    return CalibratedTwin(**fields)
