"""Data files are found in any installation and read with the line of a mistake."""

import pytest

from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.errors import InputError


def test_data_file_is_found_and_read():
    assert "sbp" in load_yaml(config_path("codes", "observables.yaml"))["observables"]


def test_absent_data_file_is_named():
    with pytest.raises(InputError, match=r"configs/codes/nothing\.yaml is not part of this installation"):
        config_path("codes", "nothing.yaml")


def test_malformed_yaml_names_file_and_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: 1\nb: [1, 2\n")
    with pytest.raises(InputError, match=r"bad.yaml line \d"):
        load_yaml(path)


def test_aliases_that_grow_without_end_are_refused_before_they_are_written_out(tmp_path):
    path = tmp_path / "grows.yaml"
    lines = ["a0: &a0 [x]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10))]
    for text in ("\n".join(lines), "a: &a [*a]", "[" * 200 + "]" * 200):
        path.write_text(text)
        with pytest.raises(InputError, match=r"grows\.yaml: its aliases stand for more than 1,000,000 entries"):
            load_yaml(path)
    path.write_text("a: &a {x: 1}\nb: *a\n")
    assert load_yaml(path) == {"a": {"x": 1}, "b": {"x": 1}}
