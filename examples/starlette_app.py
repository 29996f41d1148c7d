"""A Starlette app that receives GitHub's and Stripe's webhooks.

Start it (the secrets are the ones you gave GitHub, and Stripe gave you):

    export GITHUB_SECRET=a-secret-of-your-own-choosing STRIPE_SECRET=whsec_shown-in-the-dashboard
    uvicorn --app-dir examples starlette_app:app

Send it something, from another terminal:

    hookguard send http://127.0.0.1:8000/hooks/github github --secret a-secret-of-your-own-choosing \
        --type push --id 1 --body '{"ref": "refs/heads/main"}'
"""

import logging
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookguard_starlette import HookGuard

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery

hooks = HookGuard(
    {
        "github": {"secrets": [os.environ.get("GITHUB_SECRET")]},
        "stripe": {"secrets": [os.environ.get("STRIPE_SECRET")]},
    }
)


async def github(request: Request) -> Response:
    event = request.state.webhook
    if event.type == "push":
        print("pushed to", event.json()["ref"], flush=True)
    return Response(status_code=204)


async def stripe(request: Request) -> Response:
    event = request.state.webhook
    if event.type == "invoice.paid":
        print("paid:", event.id, flush=True)
    return Response(status_code=204)


app = Starlette(
    routes=[
        Route("/hooks/github", github, methods=hooks.methods("github"), middleware=[hooks.middleware("github")]),
        Route("/hooks/stripe", stripe, methods=hooks.methods("stripe"), middleware=[hooks.middleware("stripe")]),
    ]
)
