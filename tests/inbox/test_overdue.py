"""The web process says when events wait and nobody takes them."""

import json
import logging
import threading

import pytest

from hookguard import Endpoint, Guard, SQLiteStore, Verifier, presets
from hookguard.inbox import overdue
from hookguard.inbox.contract import Count, EntryState, Lane
from hookguard.inbox.overdue import Overdue

SECRET = "a-secret-that-is-long-enough"


def count(late, state=EntryState.WAITING, endpoint="github", number=412):
    return Count(Lane(endpoint), state, number, 1000.0, late)


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


@pytest.fixture
def look():
    return Overdue("github", None)


def test_overdue_events_are_one_error(look, caplog):
    look.report(
        [count(95.4), count(61.0, EntryState.HELD, number=1), count(99.0, endpoint="stripe"), count(0.0, EntryState.DEAD)]
    )
    look.report([count(125.4)])
    assert said(caplog) == ["413 events of github wait for a worker, the oldest for 95 s: is `hookguard work` running?"]


@pytest.mark.parametrize("counts", [[], [count(59.9)], [count(99.0, endpoint="stripe")]])
def test_events_that_are_taken_in_time_make_no_error(look, caplog, counts):
    look.report(counts)
    assert said(caplog) == []


def test_error_comes_again_if_the_trouble_comes_again_or_lasts(look, caplog, monkeypatch):
    look.report([count(95.0)])
    look.report([])
    look.report([count(61.0)])
    assert len(said(caplog)) == 2
    monkeypatch.setattr(overdue, "QUIET", 0.0)
    look.report([count(700.0)])
    assert len(said(caplog)) == 3


def test_guard_looks_after_it_has_stored_an_event(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(overdue, "LOOK", 0.0)
    monkeypatch.setattr(overdue, "LATE", 0.0)
    guard = Guard(Endpoint(Verifier("stripe", [SECRET]), inbox=True), SQLiteStore(tmp_path / "inbox.sqlite3"))
    receipt = guard.open(presets.STRIPE.sign(json.dumps({"id": "evt_1"}).encode(), SECRET))
    assert receipt.reply.status == 200
    for thread in threading.enumerate():
        if thread.name == "hookguard-overdue":
            thread.join(10)
    assert said(caplog) == ["1 events of stripe wait for a worker, the oldest for 0 s: is `hookguard work` running?"]
