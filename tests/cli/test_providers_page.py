from dataclasses import fields, replace
from pathlib import Path

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner

from hookguard import presets
from hookguard.cli.app import hookguard
from hookguard.cli.providers_page import duration, page
from hookguard.facts import DAY, Facts, Source

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def test_the_page_is_what_the_presets_say():
    printed = CliRunner().invoke(hookguard, ["presets", "--markdown"]).output
    assert PAGE.read_text() == printed, "hookguard presets --markdown > docs/providers.md"


def test_every_preset_has_its_section_and_its_row():
    text = PAGE.read_text()
    for name in presets.names():
        assert f"\n## {name}\n" in text
        assert f"(#{name})" in text


def test_every_fact_is_there_with_its_source_and_day():
    for name in presets.names():
        preset = presets.get(name)
        text = page([preset])
        for field in fields(Facts) if preset.facts else ():
            fact = getattr(preset.facts, field.name)
            word = "source" if fact.confirmed else "looked here"
            assert f"([{word}]({fact.source}), {fact.checked})" in text, field.name
        if preset.batch is not None:
            assert "Most events in one delivery: " in text
            assert f"({preset.batch.largest.source}), {preset.batch.largest.checked})" in text
        assert preset.note in text
        assert preset.docs in text


def test_facts_that_no_page_states_are_marked():
    silent = Source("https://example.com/docs", "2026-11-25")
    profile = replace(presets.HEROKU.facts, horizon=silent.silent(3 * DAY), timeout=silent.silent(None))
    text = page([replace(presets.HEROKU, facts=profile)])
    assert "- Last automatic try after: *not stated*; assumed: 3 d (" in text
    assert "- Waits for the answer: *not stated* (" in text


@pytest.mark.parametrize(
    ("name", "derived"),
    [("github", "a lease of 1 min, a retention of 7 d"), ("hookdeck", "a lease of 2 min, a retention of 9.75 d")],
)
def test_lease_and_retention_are_there(name, derived):
    assert derived in page([presets.get(name)])


def test_a_changed_fact_shows():
    longer = replace(presets.STRIPE.facts, horizon=Source("https://example.com/", "2026-11-24").says(30 * DAY))
    changed = page([replace(presets.STRIPE, facts=longer)])
    assert "- Last automatic try after: 30 d ([source](https://example.com/), 2026-11-24)" in changed
    assert "a retention of 38.5 d" in changed


def test_equal_facts_are_printed_once():
    text = page([presets.GITLAB, presets.GITLAB_TOKEN])
    assert text.count("- Waits for the answer") == 1
    assert "It delivers as [gitlab](#gitlab) does." in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(99305, "1 d 3 h"), (842400, "9.75 d"), (360, "6 min"), (75, "1.25 min"), (61, "1 min 1 s"), (86760, "1 d"), (3630, "1 h")],
)
def test_odd_durations_keep_their_sense(seconds, text):
    assert duration(seconds) == text
