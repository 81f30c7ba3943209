"""A flipped byte or a missing line of the audit log is named by its line number."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hemotwin.cli import main
from hemotwin.core.errors import InputError
from hemotwin.core.install import command
from hemotwin.records.audit import AuditLog, canonical, digest_of
from hemotwin.records.signing import PublicKey, SigningKey, new_signing_key
from hemotwin.records.verify import verify


def log_of(path, count=4, key=None):
    log = AuditLog(path, key)
    for number in range(count):
        log.append("read", source_sha256="ab" * 4, rows=number, words="é \x7f")
    return path


@pytest.fixture
def signed(tmp_path):
    private, public = new_signing_key(tmp_path / "key")
    return log_of(tmp_path / "a.log", key=SigningKey(private)), PublicKey(public), SigningKey(private)


def rewrite(path, change):
    """The log with its lines changed and all hashes made right again, as a forger without the key would."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines, previous = change(lines), "0" * 64
    for number, entry in enumerate(lines, 1):
        entry |= {"line": number, "previous": previous}
        entry["hash"] = previous = digest_of(entry)
    path.write_bytes(b"".join(canonical(entry) + b"\n" for entry in lines))
    path.with_name(f"{path.name}.head").write_bytes(canonical({"lines": len(lines), "hash": previous}))


def test_untouched_log_is_whole(tmp_path):
    found = verify(log_of(tmp_path / "a.log"))
    assert found.ok and found.lines == 4
    assert AuditLog(tmp_path / "a.log").append("more") == 5
    assert verify(tmp_path / "a.log").lines == 5


def test_any_flipped_byte_is_named_by_its_line(tmp_path):
    path = log_of(tmp_path / "a.log")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for position, byte in enumerate(whole):
        changed = bytearray(whole)
        changed[position] = byte ^ int(rng.integers(1, 256))
        path.write_bytes(bytes(changed))
        assert verify(path).problems[0][0] == whole[:position].count(b"\n") + 1, position


def test_any_missing_line_is_named(tmp_path):
    path = log_of(tmp_path / "a.log", 5)
    lines = path.read_bytes().splitlines(keepends=True)
    for gone in range(5):
        path.write_bytes(b"".join(line for k, line in enumerate(lines) if k != gone))
        assert [number for number, _ in verify(path).problems] == [gone + 1]
    path.write_bytes(b"".join(lines[:1] + lines[3:]))
    assert [number for number, _ in verify(path).problems] == [2, 3]


def test_repeated_and_reordered_lines_are_named(tmp_path):
    path = log_of(tmp_path / "a.log")
    one, two, three, four = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(one + two + two + three + four)
    assert verify(path).problems[0][0] == 2
    path.write_bytes(one + three + two + four)
    assert {number for number, _ in verify(path).problems} >= {2}


def test_line_of_another_log_does_not_follow(tmp_path):
    path, other = log_of(tmp_path / "a.log"), log_of(tmp_path / "b.log")
    mine, foreign = (file.read_bytes().splitlines(keepends=True) for file in (path, other))
    path.write_bytes(b"".join([mine[0], foreign[1], *mine[2:]]))
    assert [number for number, _ in verify(path).problems] == [2, 3]


def test_truncation_is_told_by_the_head_and_by_nothing_else(tmp_path):
    path = log_of(tmp_path / "a.log")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert verify(path).problems == ((3, "missing at the end"), (4, "missing at the end"))
    (tmp_path / "a.log.head").unlink()
    found = verify(path)
    assert found.ok and any("missing at the end cannot be told" in words for words in found.rests_on)


def test_log_without_a_line_is_told_and_not_verified(signed, tmp_path, capsys):
    empty = tmp_path / "empty.log"
    empty.touch()
    for key in (None, signed[1]):
        found = verify(empty, public_key=key)
        assert not found.ok and found.lines == 0
        assert [number for number, words in found.problems if "the log is empty" in words] == [1]
    assert main(["audit", "verify", str(empty)]) == 1
    shown = capsys.readouterr().out
    assert "line 1: missing: the log is empty" in shown and "as it was written" not in shown
    signed[0].write_bytes(b"")
    assert verify(signed[0]).problems == tuple((number, "missing at the end") for number in range(1, 5))


def test_missing_log_is_told_and_not_verified(tmp_path, capsys):
    assert main(["audit", "verify", str(tmp_path / "no.log")]) == 2
    assert "no.log: the log cannot be read (No such file or directory), so nothing was" in capsys.readouterr().err
    log_of(tmp_path / "a.log").unlink()
    with pytest.raises(InputError, match="though its head tells of 4 lines"):
        verify(tmp_path / "a.log")


def test_a_line_cut_short_is_named(tmp_path):
    path = log_of(tmp_path / "a.log")
    for cut in (1, 40):
        path.write_bytes(path.read_bytes()[:-cut])
        assert verify(path).problems == ((4, "cut off or damaged"),)
        with pytest.raises(InputError, match="last line is damaged"):
            AuditLog(path).append("more")


def test_chain_made_anew_is_told_only_by_a_head_kept_elsewhere_or_a_signature(signed, tmp_path):
    path, public, _ = signed
    kept = tmp_path / "kept.head"
    kept.write_bytes((tmp_path / "a.log.head").read_bytes())
    rewrite(path, lambda lines: [{**line, "facts": {"rows": 0}} for line in lines])
    assert verify(path).ok
    assert [number for number, _ in verify(path, head=kept).problems] == [4]
    assert [number for number, _ in verify(path, public_key=public).problems] == [1, 2, 3, 4, 4]
    rewrite(path, lambda lines: lines[:2])
    assert verify(path).ok and not verify(path, head=kept).ok


def test_signed_log_is_confirmed_by_its_key_and_by_no_other(signed, tmp_path):
    path, public, key = signed
    assert verify(path, public_key=public).ok
    stranger = PublicKey(new_signing_key(tmp_path / "other")[1])
    assert len(verify(path, public_key=stranger).problems) == 5
    AuditLog(path).append("unsigned")
    assert verify(path, public_key=public).problems[0] == (5, "not signed by this key")
    assert f"{key!r}" == "<signing key>"


def test_older_head_vouches_for_the_beginning(tmp_path):
    path = log_of(tmp_path / "a.log", 2)
    kept = tmp_path / "kept"
    kept.write_bytes((tmp_path / "a.log.head").read_bytes())
    AuditLog(path).append("later")
    assert verify(path, head=kept).ok


def test_many_writers_make_one_chain(tmp_path):
    path = tmp_path / "a.log"
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda k: AuditLog(path).append("read", k=k), range(40)))
    assert sorted(numbers) == list(range(1, 41)) and verify(path).ok and verify(path).lines == 40


@pytest.mark.parametrize("facts", [{"x": float("nan")}, {"x": object()}, {"x": "y" * (1 << 20)}])
def test_facts_that_no_line_can_hold_are_refused_and_leave_the_log_as_it_was(tmp_path, facts):
    path = log_of(tmp_path / "a.log")
    with pytest.raises(InputError):
        AuditLog(path).append("read", **facts)
    assert verify(path).ok and verify(path).lines == 4


def test_command_line_names_the_line_and_ends_with_one(tmp_path, capsys):
    assert main(["audit", "key", str(tmp_path / "key")]) == 0
    path = log_of(tmp_path / "a.log", key=SigningKey(tmp_path / "key"))
    assert main(["audit", "verify", str(path), "--public-key", str(tmp_path / "key.pub")]) == 0
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(bytes(changed))
    capsys.readouterr()
    assert main(["audit", "verify", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "line 3: damaged" in shown or "line 2: damaged" in shown
    (tmp_path / "a.log.head").write_text("{}")
    assert main(["audit", "verify", str(path)]) == 2
    assert "the head cannot be used" in capsys.readouterr().err


def test_private_key_is_readable_by_its_owner_only_and_not_replaced(tmp_path):
    private, public = new_signing_key(tmp_path / "key")
    assert private.stat().st_mode & 0o077 == 0 and "PRIVATE" not in public.read_text()
    with pytest.raises(InputError, match="already there"):
        new_signing_key(tmp_path / "key")
    for bad, words in (("junk", "no unencrypted PEM"), (public.read_text(), "no unencrypted PEM")):
        (tmp_path / "bad").write_text(bad)
        with pytest.raises(InputError, match=words):
            SigningKey(tmp_path / "bad")


def test_missing_library_is_answered_with_its_installation(tmp_path):
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        f"from hemotwin.cli import main; sys.exit(main(['audit', 'key', {str(tmp_path / 'key')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and command("provenance") in done.stderr
