"""``hookguard replay STORE ID``: an application handles a recorded delivery once more."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from datetime import datetime, timezone
from typing import Any, Final

import click

from hookguard import ConfigurationError
from hookguard.cli.deliveries import only
from hookguard.cli.inputs import example, with_working_directory
from hookguard.cli.listing import person, reason_option
from hookguard.cli.naming import load, only_hooks
from hookguard.cli.store import evidence_of, find_store
from hookguard.cli.work import HasLanes
from hookguard.evidence.notes import noted
from hookguard.guard.bridge import call_inline, run_sync, to_thread
from hookguard.outcome import Outcome
from hookguard.privacy.shown import printable
from hookguard.work.caller import Caller
from hookguard.work.calling import Answer, Call, is_asgi
from hookguard.work.replay import check_replay, replay
from hookguard.work.wsgi import call_wsgi

__all__ = ["replay_delivery", "run_replay"]

#: The command that makes an entry of an inbox due again.
_RERUN: Final = "hookguard inbox STORE rerun"

_log = logging.getLogger("hookguard.evidence")


@click.command(
    "replay",
    epilog=example('hookguard replay sqlite:///hookguard.sqlite3 7f3a9c --app main:app --reason "the handler had a bug"'),
)
@click.argument("which", metavar="STORE")
@click.argument("delivery", metavar="ID")
@click.option("--app", "application", required=True, metavar="MODULE:APP", help="The WSGI or ASGI application that handles it.")
@click.option("--hooks", metavar="MODULE:NAME", help="The HookGuard, if MODULE has none or several.")
@click.option("--forget", is_flag=True, help="Forget the event's claim first: it was handled, and shall run once more.")
@reason_option
def replay_delivery(which: str, delivery: str, application: str, hooks: str | None, forget: bool, reason: str) -> None:
    """Let APP handle a recorded delivery once more: a verified event whose body was kept.

    STORE is the store of the application. An event that was handled runs only with --forget. The exit status is 0 if it was
    handled now.
    """
    store = find_store(which, setting="evidence")
    with_working_directory()
    module, app = load(application)
    found = (
        load(hooks)[1] if hooks is not None else only_hooks(module, app, "open_lanes", "command is manage.py hookguard_replay")
    )
    if not isinstance(found, HasLanes):
        raise ConfigurationError(f"--hooks {hooks} is {type(found).__name__}: name the HookGuard of the application")
    raise SystemExit(run_replay(store, delivery, app, found, forget=forget, reason=reason))


def run_replay(store: Any, delivery: str, app: Any, hooks: HasLanes, *, forget: bool, reason: str, rerun: str = _RERUN) -> int:
    """Replay a delivery, print how it ended, and return the exit status. Raises UsageError and HookguardError."""
    awaits = inspect.iscoroutinefunction(store.claim)
    evidence = evidence_of(store)
    record = only(evidence, delivery)
    lane = next(lane for lane in hooks.open_lanes(app, [record.endpoint]) if lane.shipping is None)
    kept = check_replay(record, evidence.body(record.delivery), lane, store, rerun)
    by = person()
    _log.warning("a replay of the delivery %s is asked for by %s: %s", record.mark, by, printable(reason))

    async def here(call: Call) -> Answer:
        return call_wsgi(app, call)

    async def on_loop() -> Outcome:
        caller = Caller(app)
        async with caller.started():
            return await replay(record, kept, lane, store, caller.call, to_thread, forget=forget)

    if awaits or is_asgi(app):
        outcome = asyncio.run(on_loop())
    else:
        outcome = run_sync(replay(record, kept, lane, store, here, call_inline, forget=forget))
    at = datetime.fromtimestamp(time.time(), timezone.utc).isoformat(sep=" ", timespec="seconds")
    ran = outcome.outcome not in ("duplicate", "in_progress")
    if not ran:
        _log.warning("the replay of the delivery %s was rejected: %s, %s", record.mark, outcome.outcome, outcome.reason)
    evidence.annotate(record.delivery, noted(record.note, at, by, printable(reason), outcome.outcome, ran=ran))
    click.echo(f"{outcome.outcome}{f', {outcome.reason}' if outcome.reason else ''}")
    if outcome.outcome == "duplicate":
        click.echo("With --forget it runs once more.", err=True)
    return 0 if outcome.outcome == "handled" else 1
