"""The data dictionary says what the code tables say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from hemotwin.core.configs import config_path, load_yaml
from hemotwin.records.codes import observables
from hemotwin.records.quality_rules import load_rules

ROOT = Path(__file__).resolve().parents[1]
SCRIPT, PAGE = ROOT / "scripts" / "make_data_dictionary.py", ROOT / "docs" / "data-dictionary.md"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="only in a checkout")


@pytest.fixture(scope="module")
def made() -> str:
    spec = importlib.util.spec_from_file_location("make_data_dictionary", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.data_dictionary()


def test_the_page_is_what_the_script_writes(made):
    assert PAGE.read_text(encoding="utf-8") == made, "run python scripts/make_data_dictionary.py"


def test_every_name_code_word_and_rule_is_in_it(made):
    for name in (*observables(), *load_rules()):
        assert f"| `{name}` |" in made, name
    data = load_yaml(config_path("codes", "observables.yaml"))
    for section in ("observables", "covariates", "recognised", "panels", "generic"):
        for entry in data[section].values():
            for system in ("loinc", "snomed", "mdc"):
                for code in entry.get(system, ()):
                    assert str(code["code"] if isinstance(code, dict) else code) in made
            assert all(str(word) in made for word in entry.get("aliases", ()))


def test_every_row_of_a_table_has_as_many_cells_as_its_head(made):
    for table in re.findall(r"(?:^\|.*\|\n?)+", made, re.MULTILINE):
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, lines[0]


def test_every_link_at_the_top_leads_to_a_heading(made):
    headings = {re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-") for line in made.splitlines()
                if line.startswith("## ")}  # fmt: skip
    assert set(re.findall(r"\(#([^)]+)\)", made)) == headings
