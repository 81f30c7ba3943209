"""Nothing but what hemotwin wrote is ever replaced by a result."""

from __future__ import annotations

import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.own_folder import replaceable

OURS = ("report.html", "twin-*.json")


@pytest.mark.parametrize("files", [(), ("report.html",), ("twin-1.json", "twin-2.json", ".DS_Store")])
def test_folder_of_ours_may_be_replaced(files, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    replaceable(tmp_path, OURS)
    replaceable(tmp_path / "not there yet", OURS)


def test_folder_with_anything_else_and_a_file_are_refused_and_the_other_is_named(tmp_path):
    for name in ("report.html", "notes.txt", "thesis.tex"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"hemotwin did not write \(notes\.txt and 1 more\): give another path"):
        replaceable(tmp_path, OURS)
    with pytest.raises(InputError, match="there is a file of this name"):
        replaceable(tmp_path / "notes.txt", OURS)


def test_a_place_where_nothing_can_be_written_is_told_at_once(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"notes\.txt takes no folder \(it is a file\): give another path"):
        replaceable(tmp_path / "notes.txt" / "twins" / "P1", OURS)
    replaceable(tmp_path / "deep" / "below" / "P1", OURS)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["notes.txt"]  # trying leaves nothing behind

    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refused)
    with pytest.raises(InputError, match=r"takes no folder \(Read-only file system\)"):
        replaceable(tmp_path / "P1", OURS)
