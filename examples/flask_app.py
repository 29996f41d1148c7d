"""A Flask app that receives GitHub's and Stripe's webhooks.

Start it (the secrets are the ones you gave GitHub, and Stripe gave you):

    export GITHUB_SECRET=a-secret-of-your-own-choosing STRIPE_SECRET=whsec_shown-in-the-dashboard
    flask --app examples/flask_app run

Send it something, from another terminal:

    hookguard send http://127.0.0.1:5000/hooks/github github --secret a-secret-of-your-own-choosing \
        --type push --id 1 --body '{"ref": "refs/heads/main"}'
"""

import logging
import os

from flask import Flask

from hookguard_flask import HookGuard, current_webhook

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {
    "github": {"secrets": [os.environ.get("GITHUB_SECRET")]},
    "stripe": {"secrets": [os.environ.get("STRIPE_SECRET")]},
}
hooks = HookGuard(app)


@app.post("/hooks/github")
@hooks.guard("github")
def github() -> tuple[str, int]:
    if current_webhook.type == "push":
        print("pushed to", current_webhook.json()["ref"], flush=True)
    return "", 204


@app.post("/hooks/stripe")
@hooks.guard("stripe")
def stripe() -> tuple[str, int]:
    if current_webhook.type == "invoice.paid":
        print("paid:", current_webhook.id, flush=True)
    return "", 204
