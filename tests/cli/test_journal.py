"""What the verbs note in the audit log: hashes and counts, under the governance that was given."""

from __future__ import annotations

import json

from hemotwin.cli import main
from hemotwin.records.signing import PublicKey, new_signing_key
from hemotwin.records.verify import verify
from tests.cli.stand_ins import TABLE


def test_reading_is_noted_with_its_policy_and_without_a_name(tmp_path, monkeypatch):
    record, log = tmp_path / "Zwickelhuber.csv", tmp_path / "audit.log"
    record.write_text(TABLE)
    (tmp_path / "g.yaml").write_text("policy: care\nconsent: [{patient: B, purpose: care, decision: deny}]\n")
    private, public = new_signing_key(tmp_path / "key")
    monkeypatch.setenv("HEMOTWIN_SIGNING_KEY", str(private))
    assert main(["check", str(record), "--governance", str(tmp_path / "g.yaml"), "--audit", str(log)]) == 0
    (entry,) = (json.loads(line) for line in log.read_text().splitlines())
    facts = entry["facts"]
    assert (entry["event"], facts["verb"], facts["policy"], facts["purpose"]) == ("read", "check", "care", "care")
    assert facts["counts"]["used"] == 2 and facts["counts"]["quarantined"] == 2 and len(facts["evidence_sha256"]) == 64
    assert "Zwickelhuber" not in log.read_text() and str(tmp_path) not in log.read_text()
    assert verify(log, public_key=PublicKey(public)).ok


def test_log_that_cannot_take_the_entry_stops_the_verb(tmp_path, capsys):
    record, log = tmp_path / "t.csv", tmp_path / "audit.log"
    record.write_text(TABLE)
    log.write_text("damaged\n")
    assert main(["check", str(record), "--audit", str(log)]) == 2
    said = capsys.readouterr()
    assert "the last line is damaged" in said.err and not said.out


def test_without_a_log_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("HEMOTWIN_AUDIT", raising=False)
    (tmp_path / "t.csv").write_text(TABLE)
    assert main(["check", str(tmp_path / "t.csv")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
