"""The providers' own SDKs as judges: honest deliveries agree both ways, and every difference is on a list with its reason."""

import importlib
import time

import pytest
from changes import TEXT, changed, parts, replaced
from differences import LOOSER, STRICTER
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import IDS, sdk

from hookguard import Delivery, presets

JUDGES = [
    judge for family in ("payment_sdks", "messaging_sdks", "platform_sdks") for judge in importlib.import_module(family).JUDGES
]
NAMED = {judge.__name__: judge for judge in JUDGES}
each = pytest.mark.parametrize("judge", JUDGES, ids=list(NAMED))
each_signer = pytest.mark.parametrize("judge", [judge for judge in JUDGES if judge.signs], ids=lambda judge: judge.__name__)


@each
def test_an_sdk_accepts_our_signature(judge):
    judge.load()

    @settings(max_examples=12, derandomize=True)
    @given(body=judge.bodies, event_id=IDS, off=st.integers(-100, 0))
    def agrees(body, event_id, off):
        delivery = judge.ours(body, off=off, event_id=event_id)
        assert judge.accepts(delivery)
        assert judge.we_say(delivery) == ""

    agrees()


@each_signer
@pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning:braintree"
)  # Braintree's own, from Python 3.12 on
def test_our_preset_accepts_an_sdks_signature(judge):
    judge.load()

    @settings(max_examples=12, derandomize=True)
    @given(body=judge.bodies, event_id=IDS, off=st.integers(-100, 0))
    def agrees(body, event_id, off):
        delivery = judge.theirs(body, int(time.time()) + off, event_id)
        assert judge.we_say(delivery) == ""
        assert judge.accepts(delivery)

    agrees()


@each
def test_both_verdicts_on_changed_deliveries_agree_except_for_listed_differences(judge):
    """The deliveries they accept and we reject are the list STRICTER, no more and no less; what they reject, we reject."""
    judge.load()
    listed = {part: set(reasons) for part, reasons in STRICTER.get(judge.__name__, {}).items()}
    theirs, ours = {}, {}
    # Some signatures have no padding, no stray bits or no sign in which the two base64 differ: then another is tried.
    for number in range(12):
        for part, change, delivery in changed(judge, f"msg_{number}"):
            accepted, rejected = judge.accepts(delivery), judge.we_say(delivery)
            if accepted and rejected:
                theirs.setdefault(part, set()).add(change)
            elif not accepted and not rejected:
                ours.setdefault(part, set()).add(change)
        if theirs == listed:
            break
    looser = {part: set(reasons) for part, reasons in LOOSER.get(judge.__name__, {}).items()}
    assert ours == looser, "we accept what they reject"
    assert theirs == listed, "they accept what we reject: name it with its reason in differences.py, or take it off"


@each
def test_our_preset_rejects_whatever_an_sdk_rejects(judge):
    """Anything put anywhere: whatever we still accept, they accept too."""
    judge.load()

    @settings(max_examples=20, derandomize=True)
    @given(data=st.data())
    def agrees(data):
        honest = judge.ours()
        part = data.draw(st.sampled_from([*parts(judge, honest), "body"]))
        place, character = data.draw(st.floats(0, 1)), data.draw(st.characters(max_codepoint=255))
        kind = data.draw(st.sampled_from(["put in", "left out", "put over"]))
        span = (1, 0, 0) if kind == "left out" else (0, 1, 1) if kind == "put in" else (1, 1, 1)

        def change(text, new):
            at = int(place * len(text))
            return text[:at] + new * span[1] + text[at + span[0] :]

        if part == "body":
            body = change(honest.body, character.encode("latin-1"))
            delivery = Delivery(body, honest.headers, honest.method, honest.url)
        else:
            delivery = replaced(judge, honest, part, lambda text: change(text, character))
        rejected, accepted = judge.we_say(delivery), judge.accepts(delivery)
        if not accepted and not rejected:
            # Only the very changes that are listed, not the place they are made in.
            listed = LOOSER.get(judge.__name__, {}).get(part, {})
            same = [replaced(judge, honest, part, TEXT[name]) for name in listed if name in TEXT]
            assert delivery in same, f"we accept what they reject, and it is no listed change of {part}"
        if accepted and rejected:
            assert part in STRICTER.get(judge.__name__, {}), (
                f"they accept what we reject ({rejected}), and nothing is listed there"
            )

    agrees()


@each
def test_a_judge_rejects_too(judge):
    """A judge that accepts everything proves nothing."""
    delivery = judge.ours()
    assert judge.accepts(delivery)
    cut = TEXT["cut in half"]
    assert not all(judge.accepts(replaced(judge, delivery, part, cut)) for part in parts(judge, delivery))


def test_every_difference_has_a_judge_and_a_reason():
    assert set(STRICTER) | set(LOOSER) <= set(NAMED)
    for listed in (STRICTER, LOOSER):
        assert all(why for places in listed.values() for reasons in places.values() for why in reasons.values())


def test_presets_say_sdk_exactly_where_a_judge_stands():
    """Compared without any SDK installed."""
    judged = {judge.preset.name for judge in JUDGES if judge.official}
    assert {preset.name for preset in presets.BUILT_IN if "sdk" in preset.proof} == judged


def test_there_are_enough_judges():
    assert len({judge.package for judge in JUDGES if judge.official}) >= 25


def test_a_missing_sdk_is_skipped_aloud_and_fails_where_it_is_required(monkeypatch):
    monkeypatch.delenv("HOOKGUARD_JUDGES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"pip install -e '\.\[judges\]'"):
        sdk("an_sdk_that_nobody_has")
    monkeypatch.setenv("HOOKGUARD_JUDGES", "required")
    with pytest.raises(pytest.fail.Exception, match=r"pip install -e '\.\[judges\]'"):
        sdk("an_sdk_that_nobody_has")
