"""Buildkite's events, fanned out: finished builds to a chat, and everything to an audit service.

Each target has tries of its own. A chat that is down neither delays the audit nor makes it get an event twice. The audit service
receives a signed delivery, which it verifies with the preset standard-webhooks. Start the web server, and from another terminal
the worker. CHAT_URL is an "incoming webhook" of Slack, Mattermost or Zulip:

    export BUILDKITE_SECRET=a-secret-of-your-own-choosing CHAT_URL=https://hooks.slack.com/services/T0/B0/X
    export AUDIT_URL=https://audit.example/hooks AUDIT_SECRET=whsec_c2l4dGVlbi1hbmQtZWlnaHQtYnl0ZXM=
    uvicorn --app-dir examples builds_to_chat:app
    hookguard work examples.builds_to_chat:app

Send it something, from a third terminal:

    hookguard send http://127.0.0.1:8000/hooks/buildkite buildkite --secret a-secret-of-your-own-choosing \
        --body '{"event": "build.finished", "build": {"number": 7, "state": "failed"}, "pipeline": {"name": "web"}}'
"""

import json
import logging
import os

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from hookguard.relay.sending import Sending, Sent
from hookguard_starlette import HookGuard

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery
logging.getLogger("httpx").setLevel(logging.WARNING)  # its other lines hold the chat's URL, which is a secret
LOCAL = {"allow_http": True, "allow_networks": ["127.0.0.0/8"]}  # to try it on one machine: leave this out in production


class Chat:
    """Posts one line for each build. A chat knows no signature, so this is a target of our own."""

    async def send(self, sending: Sending) -> Sent:
        event = json.loads(sending.body)
        line = f"{event['pipeline']['name']} #{event['build']['number']}: {event['build']['state']}"
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.post(os.environ["CHAT_URL"], json={"text": line})
        return Sent(answer.status_code, answer.headers.get("retry-after"))


TARGETS = {
    "chat": {"to": Chat(), "types": ["build.finished"]},
    "audit": {"url": os.environ.get("AUDIT_URL"), "secrets": [os.environ.get("AUDIT_SECRET")], **LOCAL},
}
hooks = HookGuard({"buildkite": {"secrets": [os.environ.get("BUILDKITE_SECRET")], "relay": {"targets": TARGETS}}})
app = Starlette(routes=[Route("/hooks/buildkite", hooks.relay("buildkite"), methods=["POST"])])
