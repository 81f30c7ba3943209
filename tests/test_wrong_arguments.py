"""What a public function says of an argument of another kind, as a user meets it: without the suite's type checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORD = "configs/records/ph9.csv"

# A call, and what its message must begin with.
CALLS = {
    f'ht.calibrate(model, "{RECORD}")': "`records` must be what ht.read returns",
    'ht.calibrate(model, {"sbp": 120})': "`records` must be what ht.read returns",
    "ht.calibrate(model, None)": "`records` must be what ht.read returns",
    'ht.calibrate("adult", records)': "`model` must be a circulation, such as ht.circulation",
    'ht.calibrate(model, records, starts="8")': "`starts` must be a whole number, at least 1",
    "ht.calibrate(model, records, seed=1.5)": "`seed` must be a whole number, at least 0",
    'ht.predict("ph9.zarr", bolus)': "`twins` must be what ht.calibrate or ht.load returns",
    "ht.predict(records, bolus)": "`twins` must be what ht.calibrate or ht.load returns",
    'ht.predict((), "fluid_bolus")': "`scenario` must be a scenario, such as ht.scenario",
    "ht.predict((), bolus, draws=-1)": "`draws` must be a whole number",
    'ht.simulate("adult")': "`model` must be a circulation, such as ht.circulation",
    "ht.calibrate(model, records, steps=-4)": "`steps` must be an even whole number",
    "ht.calibrate(model, records, starts=True)": "`starts` must be a whole number, at least 1",
    'ht.simulate(model, steps="400")': "`steps` must be an even whole number",
    "ht.simulate(model, steps=0)": "`steps` must be an even whole number",
    "ht.simulate(model, beats=2.5)": "`beats` must be a whole number, at least 1",
    'ht.simulate(model, "bleeding")': "`scenario` must be a scenario, such as ht.scenario",
    f'ht.readiness("{RECORD}")': "`records` must be what ht.read returns",
    "ht.account(records)": "`twins` must be what ht.calibrate or ht.load returns",
}

PROGRAM = f"""
import hemotwin as ht

model, records, bolus = ht.circulation("adult"), ht.read("{RECORD}"), ht.scenario("fluid_bolus")
for call in {list(CALLS)!r}:
    try:
        eval(call)
        print("nothing was raised")
    except ValueError as error:
        print(error)
    except Exception as error:
        print(repr(error))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each call says, all in one process."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120)
    lines = ended.stdout.splitlines()
    assert len(lines) == len(CALLS), ended.stderr
    return dict(zip(CALLS, lines, strict=True))


@pytest.mark.parametrize("call", CALLS)
def test_argument_of_another_kind_is_named_with_what_it_must_be(call, said):
    assert said[call].startswith(CALLS[call])
