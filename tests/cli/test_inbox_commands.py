"""``hookguard inbox``: what people see of entries, and what they may do with them."""

import json
import re

import pytest

click = pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner
from inboxes import SECRET, SETTINGS, Box

from hookguard import SQLiteStore
from hookguard.cli.app import hookguard
from hookguard.cli.listing import is_of_event, span
from hookguard.inbox.contract import EntryState, Lane


def run(box, *arguments, status=0, answer=None):
    """Run the command about the box; return what it printed."""
    done = CliRunner().invoke(hookguard, ["inbox", box.url, *arguments], input=answer)
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "hookguard.sqlite3")


def test_list_shows_the_counts_and_each_entry_and_never_a_body(box):
    first, second = box.put("evt_1"), box.put("evt_2", "order.sent")
    box.kill(first)
    shown = run(box)
    assert "stripe: 1 dead" in shown
    assert "stripe: 1 waiting" in shown
    for text in (first[:12], second[:12], "evt_1", "order.sent", "no such customer"):
        assert text in shown
    assert "canary" not in shown
    assert first[:13] not in shown


def test_list_can_be_narrowed(box):
    box.kill(box.put("evt_1"))
    box.put("evt_2", "order.sent")
    assert "evt_2" not in run(box, "--state", "dead")
    assert "evt_1" not in run(box, "--type", "order.sent")
    assert "no entry" in run(box, "--endpoint", "github")
    assert "evt_1" not in run(box, "list", "--limit", "1")


def test_list_as_json(box):
    box.kill(box.put("evt_1"))
    found = json.loads(run(box, "--json"))
    (entry,) = found["entries"]
    assert (entry["event_id"], entry["state"], entry["endpoint"], entry["reason"]) == (
        "evt_1",
        "dead",
        "stripe",
        "no such customer",
    )
    assert found["counts"] == [{"endpoint": "stripe", "part": "", "state": "dead", "number": 1, "overdue": 0.0}]
    assert "canary" not in json.dumps(found)


def test_empty_inbox_says_it(box):
    assert run(box) == "the inbox is empty\n"


def test_show_has_the_facts_and_the_body_only_on_request(box):
    key = box.put("evt_1")
    shown = run(box, "show", key[:12])
    for text in (key, "waiting", "POST", "/hooks/stripe", "shop.example", "application/json"):
        assert text in shown
    assert "canary" not in shown
    assert SECRET not in shown
    assert "canary" not in run(box, "show", key, "--json")
    assert json.loads(run(box, "show", key, "--body"))["card"] == "canary-4242"


@pytest.mark.parametrize(
    ("key", "complaint"), [("abc", "is too short: give at least 6 characters"), ("z" * 12, "no entry has a key that begins with")]
)
def test_key_that_names_no_entry_is_a_mistake(box, key, complaint):
    box.put("evt_1")
    assert complaint in run(box, "show", key, status=2)


def test_rerun_makes_named_entries_due_again_and_stores_why(box):
    key = box.put("evt_1")
    box.kill(key)
    assert run(box, "rerun", key[:12], "--reason", "the customer is back") == "1 of 1 entries are due again\n"
    (entry,) = box.inbox.find(key=key, limit=1)
    assert (entry.state, entry.attempt) == (EntryState.WAITING, 0)
    assert "the customer is back" in entry.reason


def test_rerun_of_an_entry_that_waits_changes_nothing(box):
    key = box.put("evt_1")
    assert "0 of 1 entries" in run(box, "rerun", key, "--reason", "impatience", status=1)


def test_rerun_of_all_dead_entries_asks_first(box):
    keys = [box.put(f"evt_{number}") for number in range(3)]
    for key in keys[:2]:
        box.kill(key)
    assert "rerun 2 dead entries?" in run(box, "rerun", "--dead", "--reason", "mended", answer="n\n", status=1)
    assert [box.state(key) for key in keys] == ["DEAD", "DEAD", "WAITING"]
    assert "2 of 2 entries" in run(box, "rerun", "--dead", "--reason", "mended", "--since", "2h", answer="y\n")
    assert [box.state(key) for key in keys] == ["WAITING"] * 3


def test_rerun_of_dead_entries_can_be_narrowed(box):
    key = box.put("evt_1")
    box.kill(key)
    narrow = ("rerun", "--dead", "--yes", "--reason", "mended")
    assert "0 of 0" in run(box, *narrow, "--endpoint", "github")
    assert "0 of 0" in run(box, *narrow, "--type", "order.sent")
    assert box.state(key) == "DEAD"
    assert "1 of 1" in run(box, *narrow, "--endpoint", "stripe", "--type", "order.paid", "--since", "10min")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["rerun", "--reason", "mended"], "name the keys, or give --dead"),
        (["rerun", "a" * 12, "--dead", "--reason", "mended"], "name the keys, or give --dead"),
        (["rerun", "a" * 12], "Missing option '--reason'"),
        (["drop", "a" * 12, "--reason", " x "], "say in a few words why"),
        (["rerun", "--dead", "--since", "yesterday", "--reason", "mended"], "is not a span of time such as 30s"),
    ],
)
def test_mistake_in_the_arguments_is_named(box, arguments, complaint):
    assert complaint in " ".join(run(box, *arguments, status=2).split())


def test_drop_deletes_entries_that_nobody_holds(box):
    key, held = box.put("evt_1"), box.put("evt_2")
    box.inbox.take_one(held, lease=60, settings=SETTINGS)
    assert run(box, "drop", key[:12], "--reason", "a test event") == "1 of 1 entries are gone\n"
    assert "0 of 1 entries are gone; a worker holds the rest" in run(box, "drop", held, "--reason", "a test event", status=1)
    assert (box.state(key), box.state(held)) == (None, "HELD")


def test_prune_deletes_what_was_kept_long_enough(tmp_path):
    box = Box(tmp_path / "hookguard.sqlite3")
    recent = box.put("evt_recent")
    box.inbox = SQLiteStore(tmp_path / "hookguard.sqlite3", clock=lambda: 1000.0).inbox()
    old = [box.put(f"evt_{number}") for number in range(3)]
    for held in box.inbox.take(Lane("stripe"), limit=9, lease=60, settings=SETTINGS):
        box.inbox.complete(held.key, token=held.token, settings=SETTINGS)
    assert run(box, "prune", "--batch", "2", "--pause", "0") == "3 entries deleted\n"
    assert [box.state(key) for key in (*old, recent)] == [None, None, None, "WAITING"]


def test_store_without_an_inbox_or_a_file_is_named(tmp_path):
    missing = CliRunner().invoke(hookguard, ["inbox", f"sqlite:///{tmp_path}/no.sqlite3"])
    assert missing.exit_code == 2
    assert not (tmp_path / "no.sqlite3").exists()
    memory = CliRunner().invoke(hookguard, ["inbox", "memory://"])
    assert memory.exit_code == 2
    assert "keeps no deliveries, so it has no inbox" in " ".join(memory.output.split())


@pytest.mark.parametrize("command", ["list", "show", "rerun", "drop", "prune"])
def test_help_of_a_command_needs_no_store(command, tmp_path):
    done = CliRunner().invoke(hookguard, ["inbox", f"sqlite:///{tmp_path}/no.sqlite3", command, "--help"])
    assert (done.exit_code, done.output.splitlines()[0].partition(":")[0]) == (0, "Usage")


def test_list_without_a_terminal_has_a_line_for_each_entry(box):
    key = box.put("evt_" + "1" * 90, "order." + "paid" * 20)
    box.kill(key, "no such customer, and nobody knows where the customer went or when the customer will be back")
    (line,) = [line for line in run(box).splitlines() if line.startswith(key[:12])]
    assert "evt_" + "1" * 90 in line
    assert "order." + "paid" * 20 in line
    assert line.endswith("when the customer will be back")


def test_entries_of_an_event_are_found_by_the_providers_id(box):
    first, second = box.put("evt_1"), box.put("evt_2")
    box.kill(first)
    assert second[:12] not in run(box, "--event", "evt_1")
    assert first[:12] in run(box, "--event", "evt_1", "--state", "dead")
    assert "no entry" in run(box, "--event", "evt_1", "--state", "done")
    assert "no entry" in run(box, "--event", "evt")


def test_digest_behind_an_event_id_is_not_part_of_it():
    digest = "0123456789abcdef" * 2
    assert is_of_event(f"guid:{digest}", "guid")
    assert is_of_event(f"guid:{digest}", f"guid:{digest}")
    assert not is_of_event("guid:part", "guid")
    assert not is_of_event(f"guid2:{digest}", "guid")


def test_entries_can_be_chosen_by_their_part(box):
    key = box.put("evt_1")
    box.kill(key)
    assert "no entry" in run(box, "--part", "billing")
    assert "0 of 0" in run(box, "rerun", "--dead", "--yes", "--part", "billing", "--reason", "billing is back")
    assert box.state(key) == "DEAD"


def test_reason_of_an_entry_that_got_over_it_is_an_earlier_one(box):
    key = box.put("evt_1")
    box.kill(key)
    assert "no such customer" in run(box)
    assert "\nreason " in run(box, "show", key)
    run(box, "rerun", key, "--reason", "the customer is back")
    held = box.inbox.take_one(key, lease=60, settings=SETTINGS)
    listed = run(box)
    assert "the customer is back" not in listed
    assert re.search(r"held until \d\d:\d\d:\d\d UTC", listed)
    assert "held until" in run(box, "show", key)
    box.inbox.complete(key, token=held.token, settings=SETTINGS)
    assert "the customer is back" not in run(box)
    assert re.search(r"earlier reason +rerun by .*the customer is back", run(box, "show", key))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (59.4, "59 s"), (66, "1 min 6 s"), (120, "2 min"), (3660, "1 h 1 min"), (3605, "1 h"), (90000, "1 d 1 h")],
)
def test_spans_have_one_form(seconds, text):
    assert span(seconds) == text


def test_show_has_times_and_a_line_for_each_header(box):
    shown = run(box, "show", box.put("evt_1"))
    assert re.search(r"received at +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d\d\+00:00", shown)
    assert re.search(r"^headers +content-type: application/json$", shown, re.MULTILINE)
    assert "seq" not in shown


def test_log_names_the_entry_of_an_action(box, caplog):
    key = box.put("evt_1")
    run(box, "drop", key, "--reason", "a test event")
    assert f"drop of the entry {key[:12]} by " in caplog.text
