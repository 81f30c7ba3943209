"""The front page keeps its promises: where the install line stands, which commands exist, which calls are possible."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import hemotwin

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text() if (TOP / "README.md").exists() else ""

pytestmark = pytest.mark.skipif(not (TOP / "Makefile").exists(), reason="only in a checkout")


def example_calls() -> list[ast.Call]:
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block, "the front page shows a Python example"
    calls = [node for node in ast.walk(ast.parse(block[1])) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and _name(call.func.value) == "ht"]


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def test_the_command_that_installs_and_runs_stands_within_twenty_lines():
    assert any(line.startswith("make twin") for line in README.splitlines()[:20])


def test_every_make_command_of_the_front_page_exists():
    targets = set(re.findall(r"^([a-z]+):", (TOP / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", README, re.MULTILINE)) <= targets


def test_continuous_integration_calls_the_test_command_of_the_front_page():
    commands = [line.strip() for line in (TOP / ".ci" / "run").read_text().splitlines()]
    assert "make test" in commands
    assert re.search(r"^make test\b", README, re.MULTILINE)


def test_not_for_clinical_use_stands_on_the_front_page():
    assert "not for clinical use" in README.splitlines()[2].lower()


def test_the_example_makes_only_calls_that_the_public_api_accepts():
    calls = example_calls()
    assert {call.func.attr for call in calls} >= {"read", "calibrate", "predict", "report"}
    for call in calls:
        if call.func.attr == "scenario":
            continue  # its settings belong to the scenario named
        signature = inspect.signature(getattr(hemotwin, call.func.attr))
        signature.bind(*call.args, **{keyword.arg: keyword.value for keyword in call.keywords})
