"""One Stripe endpoint for several shops: each event goes to the shop that its account belongs to, and there to one server.

A platform with Stripe Connect has one endpoint for all of its accounts. ``shop_of`` chooses by content, and by weight among the
servers of a shop. It chooses by the account and the event's id, so a retry goes to the same server. Start the web server, and
from another terminal the worker:

    export STRIPE_SECRET=whsec_shown-in-the-dashboard RELAY_SECRET=whsec_c2l4dGVlbi1hbmQtZWlnaHQtYnl0ZXM=
    export BERLIN_URL=https://berlin.example/hooks OFFICE_URL=https://office.example/hooks
    export PARIS_1_URL=https://paris-1.example/hooks PARIS_2_URL=https://paris-2.example/hooks
    uvicorn --app-dir examples stripe_for_shops:app
    hookguard work examples.stripe_for_shops:app

Send it something, from a third terminal:

    hookguard send http://127.0.0.1:8000/hooks/stripe stripe --secret whsec_shown-in-the-dashboard \
        --body '{"id": "evt_1", "type": "invoice.paid", "account": "acct_paris"}'
"""

import logging
import os
import zlib
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Route

from hookguard import Event
from hookguard_starlette import HookGuard

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery
LOCAL = {"allow_http": True, "allow_networks": ["127.0.0.0/8"]}  # to try it on one machine: leave this out in production

#: The servers of each account, with their weights. The platform's own events have no account.
SERVERS = {"acct_berlin": {"berlin": 1}, "acct_paris": {"paris_1": 3, "paris_2": 1}}
OFFICE = {"office": 1}


def shop_of(event: Event, names: Sequence[str]) -> list[str]:
    """Return the target of an event, of ``names``; it is called when the event comes in, and must be quick."""
    weights = SERVERS.get(event.json().get("account"), OFFICE)
    turns = [name for name in names for _ in range(weights.get(name, 0))]
    return [turns[zlib.crc32(event.id.encode()) % len(turns)]]


def target(name: str) -> dict[str, object]:
    # In production each target has a secret of its own.
    return {"url": os.environ.get(f"{name.upper()}_URL"), "secrets": [os.environ.get("RELAY_SECRET")]}


RELAY = {"spread": shop_of, "targets": {name: target(name) for name in ("berlin", "paris_1", "paris_2", "office")}, **LOCAL}
hooks = HookGuard({"stripe": {"secrets": [os.environ.get("STRIPE_SECRET")], "relay": RELAY}})
app = Starlette(routes=[Route("/hooks/stripe", hooks.relay("stripe"), methods=["POST"])])
