"""``manage.py hookguard_inbox``: the commands of ``hookguard inbox``, on the store of the project's settings."""

import json

import pytest

pytest.importorskip("django")
pytest.importorskip("click")

from django_site import configure, site

configure()

from django.core.management import load_command_class
from django.http import HttpResponse
from django.urls import path
from django_deliveries import SECRET, post, settings, stripe
from django_tables import close_database, open_database, wait_for_disk

from hookguard import GiveUp, MemoryStore
from hookguard.testing import work_off
from hookguard_django import webhook
from hookguard_django.stores import ORMStore


@pytest.fixture
def project():
    """A project with a dead entry in its database."""

    @webhook("stripe")
    def hook(request):
        if request.webhook.attempt == 1:
            raise GiveUp("no such customer")
        return HttpResponse()

    given = settings(ORMStore("sqlite"))
    given["ENDPOINTS"]["stripe"] = {"SECRETS": [SECRET], "INBOX": True}
    open_database("sqlite")
    wait_for_disk("sqlite")
    with site(path("hook", hook), HOOKGUARD=given):
        assert post(stripe("evt_1", card="canary-4242")).status_code == 200
        work_off()
        yield
    close_database("sqlite")


@pytest.fixture
def command(capsys):
    """Runs the command as ``manage.py`` does; returns the exit status and what was printed."""

    def run(*words):
        with pytest.raises(SystemExit) as left:
            load_command_class("hookguard_django", "hookguard_inbox").run_from_argv(["manage.py", "hookguard_inbox", *words])
        said = capsys.readouterr()
        return left.value.code, said.out + said.err

    return run


def test_the_command_lists_reruns_and_drops_entries(project, command):
    status, said = command()
    assert (status, "evt_1" in said, "dead" in said) == (0, True, True)
    assert "canary" not in said
    (entry,) = json.loads(command("--state", "dead", "--json")[1])["entries"]
    assert "no entry" in command("list", "--state", "waiting")[1]
    assert "canary-4242" in command("show", entry["key"][:12], "--body")[1]
    assert command("rerun", entry["key"][:12], "--reason", "she is back")[0] == 0
    assert ORMStore("sqlite").inbox().find(limit=1)[0].state.name == "WAITING"
    assert command("drop", entry["key"][:12], "--reason", "a test event") == (0, "1 of 1 entries are gone\n")
    assert command("prune") == (0, "0 entries deleted\n")


def test_a_mistake_is_one_sentence(project, command):
    status, said = command("show", "ffffffff")
    assert status == 2
    assert "no entry has a key that begins with 'ffffffff'" in said
    assert "manage.py hookguard_inbox" in command("--help")[1]


def test_a_store_without_an_inbox_is_named(command):
    with site(HOOKGUARD=settings(MemoryStore())):
        status, said = command()
    assert (status, "keeps no deliveries, so it has no inbox" in said) == (1, True)


def test_hookguard_inbox_leads_to_it():
    from click.testing import CliRunner

    from hookguard.cli.app import hookguard

    done = CliRunner().invoke(hookguard, ["inbox", "hookguard_django.stores.ORMStore"])
    assert done.exit_code == 2
    assert "python manage.py hookguard_inbox" in done.output
