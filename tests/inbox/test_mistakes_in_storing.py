"""I5: negative controls. An inbox with one mistake must fail a test of the contract, or lose an event in sight."""

import asyncio
import sqlite3

import pytest

from hookguard import Endpoint, Guard, SQLiteStore, Verifier, presets
from hookguard.errors import StoreUnavailable
from hookguard.stores import inbox_sql
from hookguard.testing import FrozenClock, InboxContract

SECRET = "a-secret-that-is-long-enough"

#: The mistake: the statement, its text, the wrong one, and the case of the contract that must fail.
MISTAKES = {
    "completing without the token": (
        "COMPLETE",
        "AND token = :token AND state = 1",
        "AND state = 1",
        "test_another_token_settles_nothing_in_any_state",
    ),
    "counting crashes as tries": ("RELEASE", "attempt - crashes", "attempt", "test_crashes_use_up_no_tries"),
    "not counting a crash": ("LAPSED", "crashes = crashes + 1\n", "crashes = crashes\n", "test_the_fifth_crash_is_the_last"),
    "two of a line together": (
        "DUE",
        "AND e.due_at IS NOT NULL",
        "AND e.due_at < 0",
        "test_only_the_first_of_a_line_is_taken",
    ),
    "a rerun beside another of its line": (
        "DUE",
        "h.held_line = i.line",
        "h.held_line = ''",
        "test_a_rerun_joins_its_line_and_never_runs_beside_another",
    ),
    "forgetting what waits": (
        "LIVE",
        "due_at IS NOT NULL",
        "due_at < 0",
        "test_an_event_that_is_waiting_or_held_is_not_forgotten",
    ),
    "pruning too soon": ("PRUNE", "prune_at <= :now", "prune_at <= :now + 30", "test_a_done_entry_is_kept_and_then_pruned"),
}


def run_case(case, path):
    """Run one case of the contract on the SQLite inbox."""

    class Inbox(InboxContract):
        def make_store(self, clock):
            return SQLiteStore(path, clock=clock)

    contract = Inbox()
    contract.setup_method()
    assert isinstance(contract.clock, FrozenClock)
    try:
        getattr(contract, case)()
    finally:
        contract.store.close()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_its_case(mistake, tmp_path, monkeypatch):
    name, right, wrong, case = MISTAKES[mistake]
    run_case(case, tmp_path / "right.sqlite3")
    statement = getattr(inbox_sql, name)
    assert right in statement
    for each in {name, "LOOK"} if name == "DUE" else {name}:
        monkeypatch.setattr(inbox_sql, each, getattr(inbox_sql, each).replace(right, wrong))
    # ValueError: more or fewer entries were taken than the case unpacks. StoreUnavailable: the line's constraint.
    with pytest.raises((AssertionError, ValueError, StoreUnavailable)):
        run_case(case, tmp_path / "wrong.sqlite3")


def test_answering_before_the_commit_loses_the_event(tmp_path):
    """The store fails after the answer: nobody will send the event again."""
    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET)
    tasks = []

    def guard(*, answers_early):
        made = Guard(Endpoint(Verifier("stripe", SECRET), inbox=True), store)
        put = made._flow._put

        async def early(events):
            tasks.append(put(events))
            from hookguard.inbox.contract import Put, PutStatus

            return [Put(PutStatus.STORED) for _ in events]

        if answers_early:
            made._flow._put = early
        return made

    connection = store.inbox()._database.here().connection
    connection.execute("CREATE TRIGGER full BEFORE INSERT ON hookguard_inbox BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    assert guard(answers_early=False).run(delivery, lambda event: 500).status == 503, "the provider sends it again"
    assert guard(answers_early=True).run(delivery, lambda event: 500).status == 200, "answered, and lost"
    with pytest.raises(Exception, match="disk full"):
        asyncio.run(tasks[0])
    assert connection.execute("SELECT COUNT(*) FROM hookguard_inbox").fetchone() == (0,)
    store.close()


def test_the_line_is_a_constraint_and_not_only_a_condition(tmp_path):
    store = SQLiteStore(tmp_path / "hooks.sqlite3")
    connection = store.inbox()._database.here().connection
    row = "INSERT INTO hookguard_inbox (id, part, endpoint, scope, event_id, event_type, state, attempt, crashes, received_at,"
    row += " changed_at, retention, held_line, head, body) VALUES (?, '', 'e', 's', 'i', 't', 1, 1, 0, 0, 0, 0, 'a', '{}', x'')"
    connection.execute(row, ("1",))
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(row, ("2",))
    store.close()
