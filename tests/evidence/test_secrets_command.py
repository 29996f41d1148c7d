"""``hookguard secrets``: the use of each secret by the records of deliveries, and which one may be removed."""

import base64
import json
import os
import time
from dataclasses import replace

import pytest

click = pytest.importorskip("click")
pytest.importorskip("rich")
pytest.importorskip("flask")
pytest.importorskip("django")

from pages import blocks, shell

from hookguard import Secret, SQLiteStore, Verifier, presets
from hookguard.cli.secret_use import use_of
from hookguard.evidence.contract import FoundCause
from hookguard.facts import DAY
from hookguard.testing import EvidenceContract

NOW = 1_900_000_000.0
OLD, NEW = (f"whsec_{base64.b64encode(os.urandom(24)).decode()}" for _ in range(2))

APP = """
from flask import Flask
from hookguard import Secret
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_STORE"] = "sqlite:///hookguard.sqlite3"
app.config["HOOKGUARD_ENDPOINTS"] = {{
    "billing": {{
        "preset": "stripe",
        "secrets": [Secret({new!r}, name="2026-11"), Secret({old!r}, name="2026-05")],
        "evidence": True,
    }},
    "github": {{"secrets": ["a-secret-that-is-never-recorded"]}},
}}
hooks = HookGuard(app)


@app.post("/hooks/billing")
@hooks.guard("billing")
def billing():
    return ""
"""

DJANGO = """
from hookguard import Secret

ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["hookguard_django"]
ROOT_URLCONF = "main"
SECRET_KEY = "only-for-tests"
HOOKGUARD = {{
    "ENDPOINTS": {{
        "billing": {{
            "preset": "stripe",
            "secrets": [Secret({new!r}, name="2026-11"), Secret({old!r}, name="2026-05")],
            "evidence": True,
        }}
    }},
    "STORE": "sqlite:///hookguard.sqlite3",
}}
urlpatterns = []
"""


def keys(*secrets):
    return Verifier("stripe", [Secret(text, **named) for text, named in secrets]).every_key


NAMED = ((NEW, {"name": "new"}), (OLD, {"name": "old"}))


def records(*matches):
    """Records of deliveries: the days before now, and the secret that matched."""
    samples = EvidenceContract()
    samples.clock = time.time
    return [replace(samples.record(number + 1), at=NOW - days * DAY, secret=name) for number, (days, name) in enumerate(matches)]


def verdicts(found, which=NAMED, horizon=3 * DAY):
    return {use.secret: use.verdict for use in use_of(records(*found), keys(*which), horizon, NOW)}


def test_secret_is_safe_to_remove_after_the_horizon_without_it():
    found = [(0.1, "new"), (5, "new"), (8.9, "new"), (9, "old"), (12, "old")]
    assert verdicts(found) == {"new": "in use", "old": "safe to remove"}
    new, old = use_of(records(*found), keys(*NAMED), 3 * DAY, NOW)
    assert (new.matches, old.matches, old.last) == (2, 0, NOW - 9 * DAY)
    assert old.reason == "unused for 9 d; at least 3 d are needed"


def test_secret_of_a_provider_that_never_retries_is_kept_for_a_day():
    found = [(0.001, "new"), (0.002, "old"), (0.003, "new")]
    assert verdicts(found, horizon=0) == {"new": "in use", "old": "in use"}
    assert verdicts([(0.001, "new"), (0.9, "new"), (2, "old")], horizon=0) == {"new": "in use", "old": "keep"}
    assert verdicts([(0.001, "new"), (1.1, "new"), (2, "old")], horizon=0) == {"new": "in use", "old": "safe to remove"}


@pytest.mark.parametrize(
    ("found", "old"),
    [
        ([(0.1, "new"), (2, "old")], "in use"),
        ([], "unknown"),  # nothing is recorded
        ([(9, "old")], "keep"),  # silence: no other secret has matched since
        ([(0.1, "new"), (9, "old")], "keep"),  # the new secret has matched for a few hours only
        ([(0.1, "new"), (2, "new")], "keep"),  # records begin two days ago, and a retry may come for three
        ([(0.1, "new"), (5, "new")], "safe to remove"),  # it never matched since the records began
    ],
)
def test_secret_is_kept_while_anything_is_uncertain(found, old):
    assert verdicts(found)["old"] == old


def test_only_valid_secret_is_never_removed():
    retired = ((NEW, {"name": "new", "not_after": NOW - DAY}), (OLD, {"name": "old"}))
    assert verdicts([(4, "new"), (8, "new"), (9, "old")], retired)["old"] == "keep"
    assert verdicts([(9, "old")], NAMED[1:]) == {"old": "keep"}


def test_secret_that_is_not_valid_yet_is_kept():
    later = ((NEW, {"name": "new", "not_before": NOW + DAY}), (OLD, {"name": "old"}))
    assert verdicts([(0.1, "old"), (9, "old")], later) == {"new": "keep", "old": "in use"}


def test_secret_without_a_name_is_uncertain_beside_others():
    # "#2" was "#1" before a secret was put in front of it.
    assert verdicts([(0.1, "#1"), (9, "#2")], ((NEW, {}), (OLD, {}))) == {"#1": "unknown", "#2": "unknown"}
    assert verdicts([(0.1, "#1")], ((NEW, {}),)) == {"#1": "in use"}


def run(folder, module, words, **environment):
    (folder / "main.py").write_text(module.format(old=OLD, new=NEW))
    return shell(f"python -m hookguard.cli secrets {words}", folder, **environment)


def receive(folder, secret, number, findings=()):
    """Verify a delivery, and record it in the application's store."""
    store = SQLiteStore(folder / "hookguard.sqlite3")
    verifier = Verifier("stripe", [Secret(NEW, name="2026-11"), Secret(OLD, name="2026-05")])
    event = verifier.verify(presets.STRIPE.sign(b'{"id": "evt_%d"}' % number, secret))
    samples = EvidenceContract()
    samples.clock = time.time
    record = replace(samples.record(number), endpoint="billing", secret=event.secret, at=time.time() - 60, findings=findings)
    store.evidence().write([(record, None)])
    store.close()


@pytest.mark.parametrize(
    ("module", "words", "environment"),
    [(APP, "main:app", {}), (DJANGO, "", {"DJANGO_SETTINGS_MODULE": "main"})],
    ids=["flask", "django"],
)
def test_application_shows_the_use_of_its_secrets(module, words, environment, tmp_path):
    receive(tmp_path, OLD, 1)
    receive(tmp_path, NEW, 2, findings=(FoundCause("secret_retired", "proved"),))
    done = run(tmp_path, module, f"{words} --json --endpoint billing", **environment)
    (found,) = json.loads(done.stdout)
    assert (found["endpoint"], found["provider"], found["retired_matches"]) == ("billing", "stripe", 1)
    assert [(use["secret"], use["matches"], use["verdict"]) for use in found["secrets"]] == [
        ("2026-11", 1, "in use"),
        ("2026-05", 1, "in use"),
    ]
    assert OLD[6:] not in done.stdout
    assert NEW[6:] not in done.stdout


def test_real_deliveries_are_counted(tmp_path):
    (tmp_path / "main.py").write_text(APP.format(old=OLD, new=NEW))
    (tmp_path / "deliver.py").write_text(
        "import sys\nfrom hookguard import presets\nfrom main import app\n"
        "for number, secret in enumerate(sys.argv[1:]):\n"
        '    sent = presets.STRIPE.sign(b\'{"id": "evt_%d"}\' % number, secret)\n'
        '    app.test_client().post("/hooks/billing", data=sent.body, headers=list(sent.headers.items()))\n'
    )
    done = shell(f"python deliver.py '{NEW}' '{NEW}' '{OLD}' && python -m hookguard.cli secrets main:app", tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("billing (stripe; retries for up to 3 d"), done.stdout
    assert "2026-11: matched" in lines[1]
    assert lines[1].endswith("2 times in 7 days: in use")
    assert lines[2].endswith("1 times in 7 days: in use")
    assert "github (github; never retries)" in done.stdout
    assert "not examined: it records no deliveries" in done.stdout


def test_application_without_records_is_a_usage_error(tmp_path):
    done = run(tmp_path, APP, "main:app --endpoint github")
    assert done.returncode == 2
    assert "set evidence to True" in done.stdout


@pytest.mark.runs("docs/evidence.md", "Which secret may be removed")
def test_command_of_the_page_runs(tmp_path):
    receive(tmp_path, OLD, 1)
    (tmp_path / "main.py").write_text(APP.format(old=OLD, new=NEW))
    done = shell(blocks("docs/evidence.md")["Which secret may be removed"].printed(), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2026-05: matched" in done.stdout
