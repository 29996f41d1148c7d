"""A FastAPI app that receives GitHub's and Stripe's webhooks, the second with a typed body.

Start it (the secrets are the ones you gave GitHub, and Stripe gave you):

    export GITHUB_SECRET=a-secret-of-your-own-choosing STRIPE_SECRET=whsec_shown-in-the-dashboard
    uvicorn --app-dir examples fastapi_app:app

Send it something, from another terminal:

    hookguard send http://127.0.0.1:8000/hooks/github github --secret a-secret-of-your-own-choosing \
        --type push --id 1 --body '{"ref": "refs/heads/main"}'
"""

import logging
import os
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel

from hookguard import Event
from hookguard_starlette import HookGuard

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery

hooks = HookGuard(
    {
        "github": {"secrets": [os.environ.get("GITHUB_SECRET")]},
        "stripe": {"secrets": [os.environ.get("STRIPE_SECRET")]},
    }
)
app = FastAPI()
app.add_middleware(hooks.Middleware)


@app.post("/hooks/github", status_code=204)
async def github(event: Annotated[Event, Depends(hooks.event("github"))]) -> None:
    if event.type == "push":
        print("pushed to", event.json()["ref"], flush=True)


class StripeEvent(BaseModel):
    """The part of Stripe's event that this application reads."""

    id: str
    type: str


# A route class, because a declared body is read before any dependency is asked.
router = APIRouter(route_class=hooks.route_class("stripe"))


@router.post("/hooks/stripe", status_code=204)
async def stripe(event: StripeEvent) -> None:
    if event.type == "invoice.paid":
        print("paid:", event.id, flush=True)


app.include_router(router)
