"""Twins are saved whole or not at all, and come back equal."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr
import zarr

import hemotwin as ht
from hemotwin.calibration import twin as twin_module
from hemotwin.calibration.draws import IMPORTANCE
from hemotwin.calibration.rows import at_the_edge, span
from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.errors import InputError, UnknownNameError
from tests.calibrated import twins
from tests.reports.example_twin import example_twin


def pair():
    """Two of the twins as a cohort of their own."""
    return CalibratedTwins((twins()["P1"], twins()["CUFF"]), dict(twins().skipped), dict(twins().provenance))


def cohort(*patients):
    """A cohort of stand-ins, which need no solver."""
    return CalibratedTwins(tuple(dataclasses.replace(example_twin(), patient=one) for one in patients), {}, {})


def test_a_saved_cohort_comes_back_equal(tmp_path):
    saved = pair()
    found = ht.load(saved.save(tmp_path / "ph9.zarr"))
    assert found.patients == ["P1", "CUFF"] and found.skipped == saved.skipped
    for patient in found.patients:
        assert found[patient] == saved[patient]
        xr.testing.assert_identical(found[patient].waves, saved[patient].waves)
        xr.testing.assert_identical(found[patient].posterior, saved[patient].posterior)


def test_a_failed_save_leaves_nothing_and_keeps_the_older_twin(tmp_path, monkeypatch):
    target = pair().save(tmp_path / "ph9.zarr")
    write, seen = twin_module._write, []

    def fails_at_the_second(*arguments):
        seen.append(arguments)
        if len(seen) == 2:
            raise OSError("disk full")
        write(*arguments)

    monkeypatch.setattr(twin_module, "_write", fails_at_the_second)
    for path in (target, tmp_path / "new.zarr"):
        seen.clear()
        with pytest.raises(OSError, match="disk full"):
            pair().save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ph9.zarr"]
    assert ht.load(target).patients == ["P1", "CUFF"]


def test_saving_again_replaces_the_older_folder(tmp_path):
    pair().save(tmp_path / "one.zarr")
    twins()["CUFF"].save(tmp_path / "one.zarr")
    assert ht.load(tmp_path / "one.zarr").patients == ["CUFF"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.zarr"]
    (tmp_path / "one.zarr").rename(tmp_path / "twin.zarr")
    assert ht.load(tmp_path).patients == ["CUFF"], "the folder that the command line writes"


@pytest.mark.parametrize("other", ["run", "run-2"])
def test_a_save_beside_one_that_is_still_writing_ruins_neither(tmp_path, monkeypatch, other):
    """To the same folder the last to finish wins; a target whose name begins like the other's is another one."""
    slow, quick = cohort("A", "B"), cohort("C")
    write, begun = twin_module._write, []

    def overtaken(*arguments):
        write(*arguments)
        if not begun:
            begun.append(True)
            quick.save(tmp_path / "run")
            assert ht.load(tmp_path / "run").patients == ["C"]

    monkeypatch.setattr(twin_module, "_write", overtaken)
    slow.save(tmp_path / other)
    assert ht.load(tmp_path / other).patients == ["A", "B"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted({"run", other})


def test_a_patient_given_twice_is_refused_by_name():
    one = example_twin()
    with pytest.raises(InputError, match=r"`twins` must hold each patient once, but holds more than once: A, B;"):
        CalibratedTwins(tuple(dataclasses.replace(one, patient=name) for name in "ABCAB"), {}, {})
    with pytest.raises(InputError, match="holds more than once: B;"):
        CalibratedTwins((*cohort("A", "B"),), {"B": "no usable measurement"}, {})


def test_what_is_no_saved_twin_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "absent.zarr", tmp_path / "empty"):
        with pytest.raises(InputError, match="must be a folder that hemotwin saved"):
            ht.load(path)


def test_an_unknown_patient_raises_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean `CUFF`"):
        twins()["CUF"]


def test_tables_hold_every_reading_and_every_skipped_patient():
    table = twins().table()
    assert len(table.rows) == sum(len(t.fit) for t in twins()) + len(twins().skipped)
    assert "Not for clinical use." in repr(table) and "Not for clinical use." in repr(twins())


def test_the_best_parameters_are_the_first_draw():
    one = twins()["P1"]
    first = one.posterior["parameters"].isel(draw=0)
    assert {str(n): float(v) for n, v in zip(first["parameter"].values, first.values, strict=True)} == one.parameters


def test_waves_are_a_steady_beat_of_the_fitted_pressures():
    one = twins()["P1"]
    beat = one.dataset
    np.testing.assert_allclose(beat["volume"].isel(time=0), beat["volume"].isel(time=-1), atol=1e-6)
    top = float(beat["pressure"].sel(site="systemic_arteries").max())
    assert top == pytest.approx(next(r.fitted for r in one.fit if r.observable == "sbp"), abs=0.3)
    assert beat["pressure"].attrs["units"] == "mmHg" and beat["flow"].attrs["units"] == "mL/s"


@pytest.mark.parametrize("patient", ["P1", "CUFF"])
def test_every_interval_can_be_found_again_from_the_draws(patient):
    """Quantities, fitted and unmeasured readings: the central 95 % of the same draws that a what-if starts from."""
    one = twins()[patient]
    drawn = one.posterior.isel(draw=slice(one.posterior.attrs["modes"], None))
    assert bool(drawn["sound"].all()) and one.posterior.attrs["method"] == one.sampling.method
    for row in one.quantities:
        if row.kind != "nuisance":
            values = drawn["parameters"].sel(parameter=row.name).values
            np.testing.assert_allclose([row.low, row.high], span(values), rtol=1e-9)
    for row in one.unmeasured:
        values = drawn["readings"].sel(observable=row.observable).values * at_the_edge(row.observable)[1]
        np.testing.assert_allclose([row.low, row.high], span(values), rtol=1e-9)
    for row in (r for r in one.fit if r.counted and r.observable in ("sbp", "dbp")):
        np.testing.assert_allclose([row.low, row.high], span(drawn["readings"].sel(observable=row.observable).values))


def test_draws_of_a_cuff_agree_with_the_cuff():
    """Laplace's draws, solved, had twice this spread: they contradicted the values that they came from.

    The posterior of a reading can be no wider than its noise by much: within a third, from 24 draws.
    """
    one = twins()["CUFF"]
    assert one.sampling.method == IMPORTANCE and one.sampling.reliable
    drawn = one.posterior["readings"].isel(draw=slice(one.posterior.attrs["modes"], None))
    for row in one.fit:
        spread = float(drawn.sel(observable=row.observable).std())
        assert spread < 1.4 * row.sd, f"{row.observable}: {spread:.1f} against noise of {row.sd:.1f} {row.unit}"


def test_a_file_of_before_the_draws_were_weighed_is_still_read(tmp_path):
    old = dataclasses.replace(twins()["CUFF"], sampling=None)
    target = old.save(tmp_path / "old.zarr")
    for group, key, change in (("", "hemotwin", {"format": "hemotwin twins 1"}), ("twin_0", "twin", {"sampling": ...})):
        attributes = zarr.open_group(target / group if group else target, mode="a").attrs
        held = json.loads(attributes[key])
        held = {k: v for k, v in (held | change).items() if v is not ...}
        attributes[key] = json.dumps(held)
    found = ht.load(target)["CUFF"]
    assert found == old and found.sampling is None and found.sha256 == old.sha256
    assert found.sha256 != twins()["CUFF"].sha256


def test_a_file_of_before_all_readings_were_judged_is_still_read(tmp_path):
    judged = dataclasses.replace(twins()["CUFF"].certificate, step_error=None)
    old = dataclasses.replace(twins()["CUFF"], certificate=judged)
    target = old.save(tmp_path / "old.zarr")
    head = zarr.open_group(target, mode="a").attrs
    head["hemotwin"] = json.dumps(json.loads(head["hemotwin"]) | {"format": "hemotwin twins 2"})
    attributes = zarr.open_group(target / "twin_0", mode="a").attrs
    held = json.loads(attributes["twin"])
    del held["certificate"]["step_error"]
    attributes["twin"] = json.dumps(held)
    found = ht.load(target)["CUFF"]
    assert found == old and found.certificate.step_error is None and found.certificate.values_ok
    assert found.sha256 == old.sha256 != twins()["CUFF"].sha256


def test_a_format_of_tomorrow_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(twin_module, "FORMAT", "hemotwin twins 9")
    target = pair().save(tmp_path / "new.zarr")
    monkeypatch.undo()
    with pytest.raises(InputError, match="hemotwin twins 9"):
        ht.load(target)


def test_a_twin_with_rough_draws_says_so_in_its_table():
    one = twins()["CUFF"]
    assert "rough" not in repr(one.table())
    sampling = dataclasses.replace(one.sampling, reliable=False, pareto_k=0.9, sentence="Pareto k 0.90: rough.")
    assert "Pareto k 0.90: rough." in repr(dataclasses.replace(one, sampling=sampling).table())
