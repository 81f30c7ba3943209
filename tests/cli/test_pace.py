"""Without llvmlite a run is told once, before minutes are spent, why it is slow and what mends it."""

from __future__ import annotations

import sys

import pytest

from hemotwin.cli import main, speed
from hemotwin.cli.pace import tell_pace
from hemotwin.core.install import command
from tests.cli.stand_ins import TABLE, install


def told() -> list[str]:
    said: list[str] = []
    tell_pace(said.append)
    return said


def test_llvmlite_that_is_not_there_is_told_where_native_code_would_serve(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HEMOTWIN_BACKEND", raising=False)
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    assert not told()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    (sentence,) = told()
    assert "llvmlite is not installed" in sentence and sentence.endswith(command("native"))
    monkeypatch.setenv("HEMOTWIN_BACKEND", "xla")
    assert not told()
    monkeypatch.delenv("HEMOTWIN_BACKEND")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert not told()


@pytest.mark.parametrize("verb", ["calibrate", "twin", "bench"])
def test_verbs_that_run_long_tell_it_once_and_first(verb, monkeypatch, tmp_path, capsys):
    install(monkeypatch)
    monkeypatch.delenv("HEMOTWIN_BACKEND", raising=False)
    monkeypatch.setattr("jax.default_backend", lambda: "cpu")
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setattr(speed, "drawn", lambda count: (_ for _ in ()).throw(KeyboardInterrupt()))
    (tmp_path / "two.csv").write_text(TABLE)
    given = [str(tmp_path / "two.csv"), "--out", str(tmp_path / "out.zarr")] if verb != "bench" else ["--quick"]
    try:
        main([verb, *given])
    except KeyboardInterrupt:
        assert verb == "bench"
    steps = capsys.readouterr().err.splitlines()
    (place,) = [n for n, line in enumerate(steps) if "llvmlite is not installed" in line]
    assert any("compil" in line for line in steps[place + 1 :])
