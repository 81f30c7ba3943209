"""Twins are saved whole or not at all, and come back equal."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import hemotwin as ht
from hemotwin.calibration import twin as twin_module
from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.errors import InputError, UnknownNameError
from tests.calibrated import twins


def pair():
    """Two of the twins as a cohort of their own."""
    return CalibratedTwins((twins()["P1"], twins()["CUFF"]), dict(twins().skipped), dict(twins().provenance))


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
