"""GitHub's pushes to main, deployed in order: one at a time in a repository, and repositories beside each other.

GitHub never sends a delivery again. So each push is stored before GitHub is answered, and a worker deploys it. A deploy that
fails is tried again, and the later pushes of its repository wait for it. Start the web server, and from another
terminal the worker:

    export GITHUB_SECRET=a-secret-of-your-own-choosing DEPLOY=./deploy.sh
    flask --app examples/deploy_in_order run
    flask --app examples/deploy_in_order hookguard work

Send it something, from a third terminal:

    hookguard send http://127.0.0.1:5000/hooks/github github --secret a-secret-of-your-own-choosing --type push --id 1 \
        --body '{"ref": "refs/heads/main", "after": "4d7fea1", "deleted": false, "repository": {"full_name": "shop/web"}}'
"""

import logging
import os
import subprocess

from flask import Flask

from hookguard_flask import HookGuard, current_webhook

logging.basicConfig(level=logging.INFO)  # shows one line for each delivery

#: Your command: it gets the repository and the commit. It may run twice for one commit, after a crash.
DEPLOY = os.environ.get("DEPLOY", "echo")

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {
    "github": {
        "secrets": [os.environ.get("GITHUB_SECRET")],
        "inbox": {"order_by": "body:repository.full_name", "tries": 5, "first": 2},
    },
}
hooks = HookGuard(app)


@app.post("/hooks/github")
@hooks.guard("github")
def github() -> tuple[str, int]:
    push = current_webhook.json()
    if current_webhook.type == "push" and push["ref"] == "refs/heads/main" and not push["deleted"]:
        # An exit status other than 0 raises: the push is due again.
        subprocess.run([DEPLOY, push["repository"]["full_name"], push["after"]], check=True, timeout=600)  # noqa: S603
    return "", 204
