"""Published vectors, broken in many ways: the autopsy names the cause, and claims nothing that is false."""

import os
import warnings
from collections import Counter
from dataclasses import replace

import pytest
from breakages import BODIES, HEADERS, URLS
from test_published_vectors import OURS, theirs
from vectors import delivery_of, found_of, make_keys, preset_of, secrets_of, weak_secrets

from hookguard import Verifier
from hookguard.autopsy import LIVE, Known, explain
from hookguard.errors import UnconfirmedPresetWarning, WeakSecretWarning

pytestmark = pytest.mark.filterwarnings(f"ignore::{WeakSecretWarning.__module__}.{WeakSecretWarning.__name__}")

#: The live bounds, but for the time: this machine may be busy.
BOUNDS = replace(LIVE, seconds=30.0)
BREAKAGES = [*BODIES, *HEADERS, *URLS]


def valid():
    return [case for case in [*OURS, *theirs()] if case["valid"] and "reply" not in case]


def opened(case):
    """A vector's delivery, the verifier that takes it, and what is known of it."""
    preset = preset_of(case)
    keys = make_keys(preset, secrets_of(case["secret"]))
    delivery, found = delivery_of(case), found_of(case, keys)
    now = case.get("now", preset.scheme.verify(delivery, keys, **found)[1] or 0.0)
    own = {"tolerance": case["tolerance"]} if "tolerance" in case else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconfirmedPresetWarning)
        verifier = Verifier(preset, secrets_of(case["secret"]), clock=lambda: now, **own)
    return preset, keys, delivery, found, verifier, Known(name="one", found=found.get("found"), now=now)


def still_genuine(preset, delivery, keys, found):
    try:
        preset.scheme.verify(delivery, keys, **found)
    except Exception:
        return False
    return True


def test_there_are_at_least_thirty_kinds_of_breakage():
    assert len(BREAKAGES) >= 30
    assert len({each.name for each in BREAKAGES}) == len(BREAKAGES)


def test_broken_vectors_are_explained():
    named, wrong, false = Counter(), [], []
    for case in valid():
        with weak_secrets(preset_of(case), case["secret"]):
            preset, keys, delivery, found, verifier, known = opened(case)
            assert explain(verifier, delivery, known=known, bounds=BOUNDS).findings == (), case["id"]
            for breakage in BREAKAGES:
                broken = breakage.do(delivery, preset)
                if broken is None or broken == delivery or still_genuine(preset, broken, keys, found):
                    continue
                autopsy = explain(verifier, broken, known=known, bounds=BOUNDS)
                first = autopsy.findings[0]
                right = first.code in breakage.accept
                named[right] += 1
                what = (breakage.name, case["preset"], case["id"], autopsy.codes)
                if not right:
                    wrong.append(what)
                if any(each.kind == "proved" and each.code not in breakage.accept | SAME for each in autopsy.findings):
                    false.append(what)
    total = sum(named.values())
    assert total > (3000 if os.environ.get("HOOKGUARD_VECTORS") else 1000)
    assert named[True] / total >= 0.93, wrong
    assert false == []


#: A vector's own body may be written in a way that several causes undo: each is true of it. Some senders sign twice.
SAME = frozenset({"body_line_endings", "body_whitespace_removed", "body_whitespace_added", "older_signature"})
