"""The three plugins use one word for one thing, and the page that lists the words says what there is."""

import re
from typing import get_args

import pytest
from pages import ROOT, blocks

from hookguard import Event, presets
from hookguard.event import EventProxy
from hookguard.outcome import SIGNALS, OutcomeName

for framework in ("flask", "django", "anyio"):
    pytest.importorskip(framework)
import hookguard_django
import hookguard_flask
import hookguard_starlette

PLUGINS = [hookguard_flask, hookguard_django, hookguard_starlette]
PAGE = (ROOT / "docs" / "signals.md").read_text("utf-8")


def test_every_outcome_has_its_signal_in_one_table():
    assert set(SIGNALS) == set(get_args(OutcomeName))


@pytest.mark.parametrize("plugin", PLUGINS[:2], ids=lambda plugin: plugin.__name__)
def test_a_framework_with_signals_sends_those_of_the_table(plugin):
    names = {name for name in plugin.__all__ if name.startswith("webhook_")}
    assert names == set(SIGNALS.values())
    named = {id(getattr(plugin, name)): name for name in names}
    assert {outcome: named[id(signal)] for outcome, signal in plugin.signals._BY_OUTCOME.items()} == SIGNALS


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.__name__)
def test_every_plugin_has_the_current_event_as_a_function_and_as_a_proxy(plugin):
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        plugin.get_current_webhook()
    assert type(plugin.current_webhook) is EventProxy
    assert not isinstance(plugin.current_webhook, Event)
    with pytest.raises(RuntimeError, match="no webhook is being handled here"):
        plugin.current_webhook.id  # noqa: B018 - reading it is what is tested


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.__name__)
def test_no_plugin_exports_another_word(plugin):
    assert not [name for name in plugin.__all__ if re.search("(?i)refus|answered$", name) and name != "WebhookAnswered"]
    assert hasattr(plugin, "guard_for") or hasattr(plugin.HookGuard, "guard_for")


def test_page_lists_every_signal_with_its_outcomes():
    rows = re.findall(r"^\| `(webhook_\w+)` \| (.*?) \|", PAGE, re.MULTILINE)
    listed = {outcome: signal for signal, outcomes in rows for outcome in re.findall(r"`(\w+)`", outcomes)}
    assert listed == SIGNALS


def test_page_names_what_there_is():
    exported = {name for plugin in PLUGINS for name in plugin.__all__}
    named = set(re.findall(r"`(?:async_)?(\w*(?:webhook|Webhook|guard_for|send_outcome)\w*)", PAGE.split("## Verbs")[0]))
    named -= {"webhook", "guard_for"}
    assert named <= exported | {"hookguard_flask", "hookguard_django", "hookguard_starlette"}, named - exported


@pytest.mark.runs("docs/signals.md", "Names")
def test_pages_handler_reads_the_event_in_a_guarded_view(capsys):
    flask = pytest.importorskip("flask")
    secret = "a-secret-that-is-long-enough"
    page = blocks("docs/signals.md")["Names"].run()
    app = flask.Flask("page")
    app.config["HOOKGUARD"] = {"endpoints": {"github": {"secrets": [secret]}}, "store": "memory://"}
    app.post("/hook")(hookguard_flask.HookGuard(app).guard("github")(lambda: page["handle"]() or ""))
    with pytest.raises(RuntimeError):
        page["handle"]()
    delivery = presets.GITHUB.sign(b"{}", secret, id="1", type="push")
    app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items()))
    assert (capsys.readouterr().out, [event.id for event in page["events"]]) == ("push\n", ["1"])
