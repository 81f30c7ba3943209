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
