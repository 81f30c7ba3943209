"""A folder appears whole or not at all, whatever ends the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.whole_folder import whole_folder

WRITER = """
import sys, time
from hemotwin.core.whole_folder import whole_folder
with whole_folder(sys.argv[1]) as draft:
    (draft / "half").write_text("half")
    print("half written", flush=True)
    time.sleep(60)
"""


def killed_in_the_middle(target, number=signal.SIGKILL) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline().strip() == "half written"
    writer.send_signal(number)
    writer.wait(timeout=30)


def of_twin_a(folder) -> list:
    """The drafts of twin-A."""
    return sorted(folder.glob(".twin-A.*"))


def left_by_a_dead_run(target, kind):
    """The name of a draft whose process has ended."""
    program = "import pathlib, sys; from hemotwin.core.drafts import draft_of"
    program += "; print(draft_of(pathlib.Path(sys.argv[1]), sys.argv[2]))"
    command = [sys.executable, "-c", program, str(target), kind]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return Path(ended.stdout.strip())


def holds(folder) -> list[str]:
    return sorted(os.listdir(folder))


def test_folder_appears_with_all_its_files(tmp_path):
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "page").write_text("whole")
        assert not (tmp_path / "twin-A").exists()
    assert (tmp_path / "twin-A" / "deep" / "page").read_text() == "whole"
    assert os.listdir(tmp_path) == ["twin-A"]


def test_later_result_takes_the_place_of_the_earlier_one(tmp_path):
    for text in ("first", "second"):
        with whole_folder(tmp_path / "twin-A") as draft:
            (draft / text).write_text(text)
    assert os.listdir(tmp_path / "twin-A") == ["second"]
    assert os.listdir(tmp_path) == ["twin-A"]


def test_failure_leaves_the_earlier_result_as_it_was(tmp_path):
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "first").write_text("first")
    with pytest.raises(ValueError, match="in the middle"), whole_folder(tmp_path / "twin-A") as draft:
        (draft / "second").write_text("half")
        raise ValueError("in the middle")
    assert os.listdir(tmp_path / "twin-A") == ["first"]
    assert os.listdir(tmp_path) == ["twin-A"]


def test_kill_leaves_nothing_but_a_hidden_draft_that_the_next_run_removes(tmp_path):
    killed_in_the_middle(tmp_path / "twin-A")
    left = os.listdir(tmp_path)
    assert len(left) == 1
    assert left[0].startswith(".twin-A.")
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "page").write_text("whole")
    assert os.listdir(tmp_path) == ["twin-A"]


def test_draft_of_a_run_that_still_lives_is_left_alone(tmp_path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "twin-A")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout.readline().strip() == "half written"
        with whole_folder(tmp_path / "twin-A") as draft:
            (draft / "page").write_text("whole")
        assert [draft.name.split(".")[3] for draft in of_twin_a(tmp_path)] == [str(writer.pid)]
        assert (of_twin_a(tmp_path)[0] / "half").exists()
    finally:
        writer.kill()
        writer.wait(timeout=30)


def test_result_moved_aside_by_a_killed_run_is_put_back(tmp_path):
    aside = left_by_a_dead_run(tmp_path / "twin-A", "former")
    aside.mkdir()
    (aside / "page").write_text("earlier")
    with pytest.raises(ValueError, match="again"), whole_folder(tmp_path / "twin-A"):
        raise ValueError("again")
    assert (tmp_path / "twin-A" / "page").read_text() == "earlier"
    assert os.listdir(tmp_path) == ["twin-A"]


@pytest.mark.parametrize("other", ["twin-A", "twin-A-2", "twin-A.2", "twin"])
def test_two_writers_at_the_same_time_leave_each_other_alone_and_the_last_to_finish_wins(tmp_path, other):
    with whole_folder(tmp_path / other) as slow:
        (slow / "slow").touch()
        with whole_folder(tmp_path / "twin-A") as quick:
            (quick / "quick").touch()
        assert holds(tmp_path / "twin-A") == ["quick"] and holds(slow) == ["slow"]
        (slow / "more").touch()
    assert holds(tmp_path / other) == ["more", "slow"]
    assert holds(tmp_path) == sorted({"twin-A", other})


def test_writer_who_fills_the_place_between_the_two_renames_is_the_earlier_one(tmp_path, monkeypatch):
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "first").touch()
    rename = os.rename

    def overtaken(one, other):
        rename(one, other)
        if str(other).endswith(".former"):
            monkeypatch.undo()
            with whole_folder(tmp_path / "twin-A") as draft:
                (draft / "between").touch()

    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "last").touch()
        monkeypatch.setattr("os.rename", overtaken)
    assert holds(tmp_path / "twin-A") == ["last"] and holds(tmp_path) == ["twin-A"]


def test_many_writers_leave_one_whole_result(tmp_path):
    failed = []

    def write(name: str) -> None:
        try:
            for _ in range(20):
                with whole_folder(tmp_path / "twin-A", synced=False) as draft:
                    for part in range(3):
                        (draft / f"{name}-{part}").touch()
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for one in writers:
        one.start()
    for one in writers:
        one.join(timeout=60)
    assert not failed
    assert holds(tmp_path) == ["twin-A"]
    written = holds(tmp_path / "twin-A")
    assert len(written) == 3 and len({name[0] for name in written}) == 1


def test_drafts_of_other_machines_and_other_targets_are_left_alone(tmp_path):
    ours = left_by_a_dead_run(tmp_path / "twin-A", "partial")
    machine = ours.name.split(".")[2]
    others = [
        ours.with_name(ours.name.replace(f".{machine}.", ".0123abcd.")),  # there the process may live
        left_by_a_dead_run(tmp_path / "twin-A.2", "partial"),
        tmp_path / ".twin-A.notes",
        tmp_path / ".twin-A-0123abcd",
    ]
    for one in (ours, *others):
        one.mkdir()
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "page").touch()
    assert holds(tmp_path) == sorted([*(one.name for one in others), "twin-A"])


def test_former_result_that_was_half_removed_is_never_put_back(tmp_path, monkeypatch):
    """Killed while it removes what it has replaced; the new result is then taken elsewhere by its owner."""
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "first").touch()
    with monkeypatch.context() as killed:
        killed.setattr("shutil.rmtree", lambda *_, **__: None)
        with whole_folder(tmp_path / "twin-A") as draft:
            (draft / "second").touch()
    (tmp_path / "twin-A").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="again"), whole_folder(tmp_path / "twin-A"):
        raise ValueError("again")
    assert not (tmp_path / "twin-A").exists() and not of_twin_a(tmp_path)


def test_what_another_program_put_in_the_place_meanwhile_stays(tmp_path):
    with pytest.raises(InputError, match="hemotwin did not write"), whole_folder(tmp_path / "t", ("page",)) as draft:
        (draft / "page").touch()
        (tmp_path / "t").mkdir()
        (tmp_path / "t" / "thesis").touch()
    assert holds(tmp_path) == ["t"] and holds(tmp_path / "t") == ["thesis"]


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path):
    name = "p" * 255
    with whole_folder(tmp_path / name) as draft:
        (draft / "page").touch()
    assert holds(tmp_path) == [name]


def test_a_link_in_the_place_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "page").touch()
    (tmp_path / "twin-A").symlink_to(tmp_path / "elsewhere")
    with whole_folder(tmp_path / "twin-A") as draft:
        (draft / "new").touch()
    assert holds(tmp_path) == ["elsewhere", "twin-A"]
    assert holds(tmp_path / "twin-A") == ["new"] and holds(tmp_path / "elsewhere") == ["page"]
