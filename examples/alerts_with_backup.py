"""Alerts of Grafana and PagerDuty, passed on to the service on duty, and to its backup if that fails.

The sender is answered when the alert is stored. A worker sends it to the first target. If that does not answer 2xx, the next one
gets it immediately. If all of them fail, it is tried again after a second, and for about an hour. Start the web server, and from
another terminal the worker:

    export GRAFANA_SECRET=a-secret-of-your-own-choosing PAGERDUTY_SECRET=shown-when-the-subscription-was-made
    export DUTY_URL=https://duty.example/hooks BACKUP_URL=https://backup.example/hooks
    export DUTY_SECRET=whsec_c2l4dGVlbi1hbmQtZWlnaHQtYnl0ZXM= BACKUP_SECRET=whsec_YW5vdGhlci0yNC1ieXRlcy1vci1tb3Jl
    flask --app examples/alerts_with_backup run
    flask --app examples/alerts_with_backup hookguard work

Send it something, from a third terminal:

    hookguard send http://127.0.0.1:5000/hooks/grafana grafana --secret a-secret-of-your-own-choosing \
        --body '{"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "DiskFull"}}]}'
"""

import logging
import os

from flask import Flask

from hookguard_flask import HookGuard

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery
LOCAL = {"allow_http": True, "allow_networks": ["127.0.0.0/8"]}  # to try it on one machine: leave this out in production

RELAY = {
    "spread": "failover",
    "targets": {  # in the order in which they are tried
        "duty": {"url": os.environ.get("DUTY_URL"), "secrets": [os.environ.get("DUTY_SECRET")], "timeout": 5},
        "backup": {"url": os.environ.get("BACKUP_URL"), "secrets": [os.environ.get("BACKUP_SECRET")], "timeout": 5},
    },
    **LOCAL,
}
#: An alert that comes late is worth little: begin soon, and give up after about an hour.
INBOX = {"first": 1, "longest_wait": 120, "tries": 36}

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {
    "grafana": {"secrets": [os.environ.get("GRAFANA_SECRET")], "inbox": INBOX, "relay": RELAY},
    "pagerduty": {"secrets": [os.environ.get("PAGERDUTY_SECRET")], "inbox": INBOX, "relay": RELAY},
}
hooks = HookGuard(app)
for name in ("grafana", "pagerduty"):
    app.add_url_rule(f"/hooks/{name}", name, hooks.relay(name), methods=["POST"])
