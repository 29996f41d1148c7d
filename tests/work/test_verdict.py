"""Each end of a run leads to one operation of the inbox."""

import pytest

from hookguard import GiveUp, Headers, StoreKey
from hookguard.guard.receipt import Ran
from hookguard.inbox.contract import Held, Kept, Lane
from hookguard.inbox.schedule import Schedule
from hookguard.work.calling import Answer
from hookguard.work.verdict import decide

NOW = 1_800_000_000.0
SCHEDULE = Schedule(tries=24, first=5.0, longest_wait=3600.0)
KEPT = Kept(key=StoreKey("github/github", "d-1"), endpoint="github", event_type="push", head="{}", body=b"{}")


def held(attempt=1, crashes=0):
    return Held(
        key="a" * 64, lane=Lane("github"), token=b"t" * 16, attempt=attempt, crashes=crashes, received_at=NOW - 1, kept=KEPT
    )


def verdict(ran, answer=None, **entry):
    return decide(held(**entry), ran, answer or Answer(ran.status if ran else None), SCHEDULE, NOW)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success_of_the_view_completes_the_entry(status):
    assert verdict(Ran(status)).operation == "complete"


def test_failure_after_the_answer_changes_nothing():
    assert verdict(Ran(200), Answer(200, error=RuntimeError("a background task"))).operation == "complete"
    assert verdict(Ran(200), Answer(200, error=GiveUp("too late"))).operation == "complete"


@pytest.mark.parametrize("status", [199, 300, 404, 500, 503])
def test_other_status_releases_the_entry(status):
    found = verdict(Ran(status))
    assert (found.operation, found.reason_code, found.status) == ("release", "handler_status", status)
    assert found.reason == f"the handler answered {status}"
    assert 2.5 <= found.after <= 7.5


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such customer\nwith a second line"), "ValueError: no such customer"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError("\x1b[31mred"), r"ValueError: \x1b[31mred"),
        (ValueError("x" * 999), "ValueError: " + "x" * 288),
    ],
)
def test_exception_releases_the_entry_and_its_first_line_is_the_reason(error, reason):
    found = verdict(Ran(None, error))
    assert (found.operation, found.reason_code, found.reason) == ("release", "handler_raised", reason)


def test_exception_that_the_framework_answered_and_raised_is_the_reason():
    found = verdict(Ran(500), Answer(500, error=KeyError("customer")))
    assert (found.reason_code, found.reason, found.status) == ("handler_raised", "KeyError: 'customer'", 500)


@pytest.mark.parametrize(
    ("ran", "answer"), [(Ran(None, GiveUp("gone")), Answer(500)), (Ran(500), Answer(500, error=GiveUp("gone")))]
)
def test_give_up_makes_the_entry_dead(ran, answer):
    found = verdict(ran, answer)
    assert (found.operation, found.reason_code, found.reason) == ("give_up", "gave_up", "GiveUp: gone")


def test_handler_that_answered_nothing_releases_the_entry():
    assert verdict(Ran(None)).reason_code == "not_answered"


@pytest.mark.parametrize("answer", [Answer(200), Answer(404), Answer(), Answer(500, error=GiveUp("of an unguarded view"))])
def test_event_that_no_guarded_view_took_is_never_done(answer):
    found = verdict(None, answer)
    assert (found.operation, found.reason_code) == ("release", "not_settled")
    assert "no guarded view took the event" in found.reason


def answered_with(value):
    return Answer(503, Headers([("Retry-After", each) for each in value]))


def test_retry_after_of_the_handler_decides_when_the_entry_is_due():
    assert verdict(Ran(503), answered_with(["120"])).after == 120
    assert verdict(Ran(503), answered_with(["0"])).after == 0
    assert verdict(Ran(503), answered_with(["99999"])).after == 3600
    assert verdict(Ran(503), answered_with(["Fri, 15 Jan 2027 08:02:00 GMT"])).after == pytest.approx(120)


@pytest.mark.parametrize("value", [["soon"], ["-5"], ["10", "20"]])
def test_retry_after_that_is_not_clear_leaves_it_to_the_schedule(value):
    assert 2.5 <= verdict(Ran(503), answered_with(value)).after <= 7.5


def test_wait_doubles_with_each_try_and_crashes_are_not_tries():
    assert 5 <= verdict(Ran(500), attempt=2).after <= 15
    assert 2.5 <= verdict(Ran(500), attempt=5, crashes=4).after <= 7.5
    assert 1800 <= verdict(Ran(500), attempt=24).after <= 5400
