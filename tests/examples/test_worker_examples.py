"""The examples with a worker: a real server takes signed deliveries, the worker handles or relays them, and real services get them."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

for needed in ("flask", "starlette", "uvicorn", "httpx", "click"):
    pytest.importorskip(needed)

from receiving import receiver
from running import EXAMPLES, free_port, post, serving, start
from waiting import until

from hookguard import Delivery, Verifier, presets

RELAY_SECRET = "whsec_c2l4dGVlbi1hbmQtZWlnaHQtYnl0ZXM="
OTHER_SECRET = "whsec_YW5vdGhlci0yNC1ieXRlcy1vci1tb3Jl"
SECRET = "a-secret-of-your-own-choosing"
VERIFIER = Verifier("standard-webhooks", [RELAY_SECRET, OTHER_SECRET])

FLASK = {
    "web": lambda name, port: ["-m", "flask", "--app", f"{name}.py", "run", "--port", port],
    "worker": lambda name: ["-m", "flask", "--app", f"{name}.py", "hookguard", "work"],
}
UVICORN = {
    "web": lambda name, port: ["-m", "uvicorn", f"{name}:app", "--port", port],
    "worker": lambda name: ["-m", "hookguard.cli", "work", f"{name}:app"],
}
#: Each example, and how its first lines start it.
COMMANDS = {
    "deploy_in_order": FLASK,
    "alerts_with_backup": FLASK,
    "builds_to_chat": UVICORN,
    "stripe_for_shops": UVICORN,
}


@pytest.fixture
def running(tmp_path):
    """Start an example's web server and its worker, on a copy; the URL of the server. ``said`` is what the worker prints."""
    said = []

    @contextmanager
    def run(name, environment, *, works=True):
        shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
        port = free_port()
        with serving(tmp_path, COMMANDS[name]["web"](name, str(port)), port, environment) as (url, _):
            if not works:
                yield url
                return
            worker = start(tmp_path, COMMANDS[name]["worker"](name), environment)
            try:
                yield url
            finally:
                worker.terminate()
                said.append(worker.communicate(timeout=60)[0])
                print(said[-1])
            assert worker.returncode == 0

    run.said = said
    return run


def verified(came):
    """Return the event that a target got: hookguard's own signature is right."""
    return VERIFIER.verify(Delivery(came.body, came.headers))


def pushes(*commits, repository, **more):
    for number, commit in enumerate(commits):
        body = {"ref": "refs/heads/main", "after": commit, "deleted": False, "repository": {"full_name": repository}} | more
        yield presets.GITHUB.sign(json.dumps(body).encode(), SECRET, id=f"{repository}-{number}-{commit}", type="push")


def test_pushes_are_deployed_in_order_and_wait_for_one_that_fails(running, tmp_path):
    script = tmp_path / "deploy.py"
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "line = ' '.join(sys.argv[1:])\nlog = pathlib.Path('deployed')\n"
        "failed = line == 'shop/web c1' and not log.exists()\n"
        "with log.open('a') as file:\n    file.write(line + (' failed' if failed else '') + '\\n')\n"
        "sys.exit(failed)\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "deployed"
    with running("deploy_in_order", {"GITHUB_SECRET": SECRET, "DEPLOY": str(script)}) as url:
        sent = [*pushes("c1", repository="shop/web")]
        assert [post(f"{url}/hooks/github", each) for each in sent] == [200]
        assert until(log.exists), "the first deploy has begun, and fails"
        sent = [*pushes("c2", "c3", repository="shop/web"), *pushes("d1", "d2", repository="shop/api")]
        sent += [*pushes("c9", repository="shop/web", ref="refs/heads/try")]
        assert {post(f"{url}/hooks/github", each) for each in sent} == {200}
        forged = presets.GITHUB.sign(b"{}", "another-secret-that-is-long", id="9", type="push")
        assert post(f"{url}/hooks/github", forged) == 401
        assert until(lambda: len(log.read_text().splitlines()) == 6, 120), log.read_text()
    lines = log.read_text().splitlines()
    assert [line for line in lines if "web" in line] == ["shop/web c1 failed", "shop/web c1", "shop/web c2", "shop/web c3"]
    assert [line for line in lines if "api" in line] == ["shop/api d1", "shop/api d2"]
    assert lines.index("shop/api d1") < lines.index("shop/web c2"), "the other repository did not wait"


def build(kind, number):
    body = {"event": kind, "build": {"number": number, "state": "failed"}, "pipeline": {"name": "web"}}
    return presets.BUILDKITE.sign(json.dumps(body).encode(), SECRET)


def test_builds_reach_the_chat_and_the_audit_each_with_its_own_tries(running):
    with receiver() as chat, receiver() as audit:
        environment = {
            "BUILDKITE_SECRET": SECRET,
            "CHAT_URL": chat.url,
            "AUDIT_URL": audit.url,
            "AUDIT_SECRET": RELAY_SECRET,
        }
        chat.answers.append(503)
        with running("builds_to_chat", environment) as url:
            sent = [build("build.scheduled", 6), build("build.finished", 7)]
            assert [post(f"{url}/hooks/buildkite", each) for each in sent] == [200, 200]
            assert until(lambda: len(chat.seen) == 2 and len(audit.seen) == 2, 120), (chat.seen, audit.seen)
    assert [json.loads(came.body) for came in chat.seen] == [{"text": "web #7: failed"}] * 2
    assert {verified(came).body for came in audit.seen} == {each.body for each in sent}
    (said,) = running.said
    assert "buildkite handled" in said
    assert chat.url not in said, "the address of a chat is a secret"


def test_alerts_go_to_the_backup_when_the_service_on_duty_fails(running):
    with receiver() as duty, receiver() as backup:
        environment = {
            "GRAFANA_SECRET": SECRET,
            "PAGERDUTY_SECRET": "shown-when-the-subscription-was-made",
            "DUTY_URL": duty.url,
            "BACKUP_URL": backup.url,
            "DUTY_SECRET": RELAY_SECRET,
            "BACKUP_SECRET": OTHER_SECRET,
        }
        firing = presets.GRAFANA.sign(b'{"status": "firing", "alerts": [{"labels": {"alertname": "DiskFull"}}]}', SECRET)
        incident = {"event": {"id": "01BX", "event_type": "incident.triggered", "data": {"id": "PGR0VU2"}}}
        page = presets.PAGERDUTY.sign(json.dumps(incident).encode(), environment["PAGERDUTY_SECRET"])
        with running("alerts_with_backup", environment) as url:
            duty.answers.append(500)
            assert post(f"{url}/hooks/grafana", firing) == 200
            assert until(lambda: backup.seen, 120)
            assert post(f"{url}/hooks/pagerduty", page) == 200
            assert until(lambda: len(duty.seen) == 2, 120)
    assert [verified(came).body for came in duty.seen] == [firing.body, page.body]
    assert [verified(came).body for came in backup.seen] == [firing.body]
    assert backup.ids == duty.ids[:1], "the same message, which a backup that got it twice would know"


def test_each_shop_gets_its_own_events_and_its_servers_share_them_by_weight(running):
    names = ("berlin", "paris_1", "paris_2", "office")
    accounts = ["acct_paris"] * 40 + ["acct_berlin"] * 3 + [None] * 2
    with ExitStack() as stack:
        shops = {name: stack.enter_context(receiver()) for name in names}
        environment = {f"{name.upper()}_URL": shop.url for name, shop in shops.items()}
        environment |= {"STRIPE_SECRET": "whsec_shown-in-the-dashboard", "RELAY_SECRET": RELAY_SECRET}
        with running("stripe_for_shops", environment) as url:
            for number, account in enumerate(accounts):
                event = {"id": f"evt_{number}", "type": "invoice.paid"} | ({"account": account} if account else {})
                signed = presets.STRIPE.sign(json.dumps(event).encode(), environment["STRIPE_SECRET"])
                assert post(f"{url}/hooks/stripe", signed) == 200
            assert until(lambda: sum(len(shop.seen) for shop in shops.values()) == len(accounts), 120)
    got = {name: Counter(verified(came).json().get("account") for came in shop.seen) for name, shop in shops.items()}
    assert (got["berlin"], got["office"]) == ({"acct_berlin": 3}, {None: 2})
    assert set(got["paris_1"]) == set(got["paris_2"]) == {"acct_paris"}
    assert got["paris_1"].total() + got["paris_2"].total() == 40
    assert got["paris_1"].total() > got["paris_2"].total()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_in_its_first_lines_is_taken(name, running):
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    environment = {
        key: value
        for line in re.findall(r"    export (.*)", text)
        for key, value in (each.split("=", 1) for each in line.split())
    }
    environment |= {key: "http://127.0.0.1:9/" for key in environment if key.endswith("_URL")} | {"DEPLOY": "true"}
    target, words = re.search(r"    hookguard send (\S+) (.*?)\n\"\"\"", text, re.DOTALL).groups()
    with running(name, environment, works=False) as url:
        command = f'"{sys.executable}" -m hookguard.cli send {url}/{target.split("/", 3)[3]} {words}'
        result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=os.environ)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("200")


@pytest.mark.parametrize("name", COMMANDS)
def test_without_its_secrets_it_does_not_start_and_says_why(name, tmp_path):
    shutil.copy(EXAMPLES / f"{name}.py", tmp_path)
    process = start(tmp_path, COMMANDS[name]["web"](name, "0"), {})
    printed = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "is the setting or the environment variable unset?" in printed
