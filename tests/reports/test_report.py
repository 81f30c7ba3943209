"""The page holds what was measured and what is known of it, loads nothing, and appears whole or not at all."""

from __future__ import annotations

import dataclasses
import html
import math
import os
import re
import subprocess
import sys
import time

import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.rounding import recorded
from hemotwin.core.status import Status
from hemotwin.reports.report import page, report
from tests.reports.example_twin import example_predictions, example_twin


@pytest.fixture(scope="module")
def text() -> str:
    return page(example_twin(), *example_predictions())


def section(text: str, name: str) -> str:
    """The section's text without its tags, blanks folded."""
    start = text.index(f'<section id="{name}"')
    return plain(text[start : text.index("</section>", start)])


def plain(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup)))


def test_every_measured_value_stands_in_the_fit_table_with_its_label_and_verdict(text):
    table = section(text, "fit")
    for row in example_twin().fit:
        where = re.search(rf"{re.escape(row.label)} {row.modality} {re.escape(recorded(row.measured))} ", table, re.I)
        assert where, f"{row.label} {row.measured}"
        assert row.verdict in table


def test_every_left_out_interval_stands_in_the_fit_table(text):
    table = section(text, "fit")
    for row in example_twin().fit:
        if row.counted and row.unit == "mmHg":
            assert f"{row.left_out_low:.0f} to {row.left_out_high:.0f}".replace("-", "−") in table


def test_the_certificate_says_what_the_draws_are_worth(text):
    part = section(text, "certificate")
    assert "412 of 800 are effective, Pareto k 0.41" in part and "ROUGH" not in part
    sampling = dataclasses.replace(
        example_twin().sampling, reliable=False, sentence="Pareto k 0.93: take them as rough."
    )
    rough = page(example_twin(sampling=sampling, status=Status.DRAWS_UNRELIABLE))
    assert "ROUGH Pareto k 0.93" in section(rough, "certificate") and "stand for the posterior only roughly" in plain(
        rough
    )
    assert "Pareto" not in section(page(example_twin(sampling=None)), "certificate")  # a file of before


def test_a_derived_value_is_greyed_and_not_counted(text):
    row = re.search(r'<tr class="quiet">.*?</tr>', text, re.DOTALL)
    assert row
    assert "mean arterial pressure" in row[0]
    assert "not counted" in row[0]


def test_nothing_is_loaded_from_the_network(text):
    loaded = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']*)["']|url\(\s*["']?([^)"']*)""", text)
    for target in (first or second for first, second in loaded):
        assert target.startswith("#") or target == "data:,", target
    assert not re.search(r"<script|<iframe|@import|<object|<embed", text, re.I)


def test_not_for_clinical_use_stands_before_the_title_and_at_the_foot(text):
    words = "Not for clinical use"
    assert 0 < text.index(words, text.index("<header>")) < text.index("<h1>")
    assert words in text[text.index("<footer>") :]


def test_sections_come_in_the_order_of_a_reader(text):
    order = re.findall(r'<section id="([a-z-]+)"', text)
    assert order == [
        "fit",
        "conflicts",
        "beat",
        "quantities",
        "unknown",
        "modes",
        "what-if",
        "certificate",
        "provenance",
    ]


def test_rows_that_were_set_aside_stand_beside_the_conflicts(text):
    said = section(text, "conflicts")
    assert f"Set aside: 1 of {len(example_twin().rows)} rows of the record" in said
    assert "heart <rate> fast: no number: give beats per minute" in said
    fault = next(row for row in example_twin().rows if row.fate == "quarantined")
    others = tuple(dataclasses.replace(fault, reason="a twin is of one visit: taken 2019-05-01") for _ in range(9))
    many = section(page(dataclasses.replace(example_twin(), rows=(*others, fault))), "conflicts")
    assert "Set aside: 10 of 10" in many and fault.reason in many and "The others stand under provenance" in many
    assert "Set aside" not in page(dataclasses.replace(example_twin(), rows=()))


def test_every_quantity_and_every_sentence_of_the_twin_is_told(text):
    twin, words = example_twin(), plain(text)
    assert all(q.label in section(text, "quantities") for q in twin.quantities)
    assert all(sentence in words for sentence in (*twin.conflicts, *twin.assumptions, twin.certificate.sentence))
    assert all(row.label in section(text, "unknown") for row in twin.unmeasured)
    assert all(mode.description in section(text, "modes") for mode in twin.modes)


def test_the_most_informed_quantity_stands_first(text):
    labels = [q.label for q in sorted(example_twin().quantities, key=lambda q: q.contraction) if q.kind == "lognormal"]
    places = [section(text, "quantities").index(label) for label in labels]
    assert places == sorted(places)


def test_what_the_data_could_not_tell_names_only_quantities_left_to_the_prior(text):
    sentence = section(text, "unknown").split("Any answer")[0]
    for q in example_twin().quantities:
        assert (q.label in sentence) == (q.verdict == "prior"), q.label


def test_each_what_if_shows_baseline_after_and_change_with_intervals(text):
    words = section(text, "what-if")
    for prediction in example_predictions():
        assert prediction.scenario.label[1:] in words
        assert prediction.scenario.description in words
    assert "55.4 50.4 to 60.4 45.6 40.6 to 50.6 −9.8 −13.8 to −5.8" in words
    assert "197 of 200 posterior draws" in words


def test_every_row_of_the_record_is_listed_with_its_fate_and_its_text_is_escaped(text):
    words = section(text, "provenance")
    assert all(f"{row.fate} {row.reason} {row.origin}".replace("  ", " ") in words for row in example_twin().rows)
    assert "heart <rate>" not in text
    assert "heart &lt;rate&gt;" in text


def test_ids_are_unique_so_that_drawings_do_not_borrow_from_each_other(text):
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', text)
    assert set(used) <= set(ids)


def test_all_traces_and_loops_are_drawn(text):
    drawn = re.findall(r'<svg [^>]*aria-label="([^"]+)"', text)
    assert len(drawn) == 6 + 2 * 3
    assert text.count("<title>") == 1


def test_a_twin_with_the_least_in_it_still_has_a_page():
    nan = math.nan
    twin = example_twin()
    bare = dataclasses.replace(
        twin, fit=(dataclasses.replace(twin.fit[0], left_out=None, left_out_low=None, left_out_high=None, low=nan),),
        modes=twin.modes[:1], unmeasured=(), conflicts=(), assumptions=(), rows=(), provenance={}, covariates={},
        status=Status.UNIDENTIFIABLE, quantities=(dataclasses.replace(twin.quantities[0], low=nan, high=nan),),
    )  # fmt: skip
    text = plain(page(bare))
    assert "UNIDENTIFIABLE" in text
    assert Status.UNIDENTIFIABLE.advice in text
    assert "sex, age, height and weight not known" in text
    assert "nan" not in text.lower().split()
    assert "What if" not in text


def test_a_prediction_of_another_patient_is_refused(tmp_path):
    other = dataclasses.replace(example_predictions()[0], patient="P9")
    with pytest.raises(InputError, match=r"P2.*P9"):
        report(example_twin(), other, path=tmp_path / "P2.html")
    assert not any(tmp_path.iterdir())


def test_a_page_that_cannot_be_finished_leaves_the_one_before_and_no_remains(tmp_path, monkeypatch):
    target = report(example_twin(), path=tmp_path / "deep" / "P2.html")
    before = target.read_text()
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        report(example_twin(conflicts=("new",)), path=target)
    assert target.read_text() == before
    assert [entry.name for entry in target.parent.iterdir()] == ["P2.html"]


def test_the_page_of_the_same_twin_is_the_same_text(text):
    assert page(example_twin(), *example_predictions()) == text


def test_a_kill_in_the_middle_leaves_no_page(tmp_path):
    """The process is killed between the writing and the move: nothing stands under the page's name."""
    code = (
        "import os, time\n"
        "from tests.reports.example_twin import example_twin\n"
        "from hemotwin.reports.report import report\n"
        "os.replace = lambda *a: (print('ready', flush=True), time.sleep(60))\n"
        f"report(example_twin(), path={str(tmp_path / 'P2.html')!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == "ready"
        process.kill()
    time.sleep(0.05)
    assert not (tmp_path / "P2.html").exists()
    assert all(entry.name.startswith(".") for entry in tmp_path.iterdir())
