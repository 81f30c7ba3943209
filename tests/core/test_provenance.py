"""Provenance says what made a result and nothing about who or where."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import hemotwin
from hemotwin.core.errors import InputError
from hemotwin.core.provenance import provenance, sha256_of


def test_provenance_names_the_record_but_no_folder_host_or_user(tmp_path):
    record = tmp_path / "P1.json"
    record.write_text("{}")
    facts = provenance(source=record, circulation="adult", seed=0)
    text = json.dumps(facts)
    assert facts["source"] == "P1.json"
    assert facts["source_sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    assert not {platform.node(), getpass.getuser()} & {str(value) for value in facts.values()}


def test_provenance_keeps_every_choice_beside_the_versions():
    facts = provenance(circulation="adult", prior="adult_wide", seed=7)
    assert (facts["circulation"], facts["prior"], facts["seed"]) == ("adult", "adult_wide", 7)
    assert facts["hemotwin"] == hemotwin.__version__
    assert facts["date"].endswith("+00:00")


def test_the_precision_of_the_solve_goes_before_the_current_setting():
    assert provenance(precision="float64")["precision"] == "float64"


def test_a_choice_cannot_hide_a_recorded_fact():
    with pytest.raises(InputError, match="numpy"):
        provenance(numpy="1.0")


def test_checksum_of_a_folder_changes_with_a_name_and_with_a_byte(tmp_path):
    (tmp_path / "a.csv").write_text("1")
    first = sha256_of(tmp_path)
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    renamed = sha256_of(tmp_path)
    (tmp_path / "b.csv").write_text("2")
    assert len({first, renamed, sha256_of(tmp_path)}) == 3


def test_a_missing_record_is_named_without_its_folder(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv") as caught:
        sha256_of(tmp_path / "gone.csv")
    assert str(tmp_path) not in str(caught.value)


def test_provenance_leaves_jax_unimported_and_reports_the_precision_once_it_is_in_use():
    code = (
        "import sys; from hemotwin.core.provenance import provenance\n"
        "before = provenance(); assert 'jax' not in sys.modules; assert before['precision'] is None\n"
        "import jax; after = provenance(); assert after['precision'] == 'float32', after; assert after['device']\n"
        "jax.config.update('jax_enable_x64', True); assert provenance()['precision'] == 'float64'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
