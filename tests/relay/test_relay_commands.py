"""``hookguard inbox`` about the entries of a relay: one for each target."""

import pytest

pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from click.testing import CliRunner
from receiving import receiver
from relays import to

from hookguard.cli.app import hookguard
from hookguard.inbox.contract import EntryState


def test_entry_of_one_target_is_found_by_the_key_that_the_list_shows(shop, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(hookguard, ["inbox", f"sqlite:///{tmp_path}/hooks.sqlite3", *arguments])

    with receiver() as one, receiver() as two:
        one.usual = 410
        made = shop({"billing": to(one), "audit": to(two)})
        made.deliver(1)
        made.work()
    start = made.inbox.find(limit=1)[0].key[:12]
    assert f"{start}.billing" in run("--state", "dead").output
    assert f"add the part, as in {start}." in run("show", start).output
    assert "part         billing" in run("show", f"{start}.billing").output
    assert "no entry has a key" in run("show", f"{start}.search").output
    assert "1 of 1 entries are due again" in run("rerun", f"{start}.billing", "--reason", "billing is back").output
    assert made.states() == {("billing", "evt_1"): EntryState.WAITING, ("audit", "evt_1"): EntryState.DONE}
