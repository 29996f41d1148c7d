"""The code of the page about logs prints what the page says it prints, and its observer counts."""

import dataclasses
import re
import sys

import pytest
from pages import ROOT, blocks, shell

from hookguard import Guard, MemoryStore, Outcome, Verifier, presets

PAGE = blocks("docs/operations.md")

RECEIVE = """
from hookguard import Guard, MemoryStore, Verifier, presets

guard = Guard(Verifier("stripe", "whsec_0123456789abcdef"), MemoryStore())
delivery = presets.STRIPE.sign(b'{"id": "evt_1", "type": "t"}', "whsec_0123456789abcdef")
for _ in range(2):
    with guard.receive(delivery) as receipt:
        if receipt.reply is None:
            receipt.answered(200)
"""

OBSERVE = """
from hookguard.config import Settings
from hookguard import Guard, MemoryStore, presets
from shop.metrics import DELIVERIES

settings = Settings(
    {"endpoints": {"stripe": {"secrets": ["whsec_0123456789abcdef"]}}, "observers": ["shop.metrics.count"]},
    where="docs", default_store=MemoryStore,
)
Guard(settings.endpoint("stripe"), MemoryStore()).open(presets.STRIPE.sign(b"{}", "whsec_another-0123456789"))
print(DELIVERIES.labels("stripe", "rejected", "signature_mismatch")._value.get())
"""


def printed_by(folder, code):
    (folder / "code.py").write_text(code, "utf-8")
    done = shell(f'"{sys.executable}" code.py', folder)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.runs("docs/operations.md", "Logs and metrics")
def test_the_lines_of_the_log_are_those_of_the_page(caplog):
    caplog.set_level("INFO", "hookguard")
    handled, rejected = PAGE["Logs and metrics"].printed().splitlines()
    github, stripe = (Verifier(name, ["whsec_of-this-year", "whsec_of-last-year"]) for name in ("github", "stripe"))
    with Guard(github, MemoryStore()).receive(
        presets.GITHUB.sign(b"{}", "whsec_of-this-year", id="5b1f0f6e-1", type="push")
    ) as receipt:
        receipt.answered(200)
    Guard(stripe, MemoryStore()).open(presets.STRIPE.sign(b"{}".ljust(812), "whsec_of-another-endpoint"))
    # Each delivery has a mark of its own.
    marked = [re.sub(r"delivery [0-9a-f]{6}\]", "delivery 7f3a9c]", message) for message in caplog.messages]
    assert marked[-2:] == [handled.replace("…", "1"), rejected]


@pytest.mark.runs("docs/operations.md", "Logs and metrics 2")
def test_basic_config_prints_every_line(tmp_path):
    printed = printed_by(tmp_path, PAGE["Logs and metrics 2"].printed() + RECEIVE)
    assert re.findall(r"INFO hookguard: stripe (\w+)", printed) == ["handled", "duplicate"]


@pytest.mark.runs("docs/operations.md", "Logs and metrics 3")
def test_djangos_logging_prints_every_line(tmp_path):
    pytest.importorskip("django")
    PAGE["Logs and metrics 3"].write(tmp_path, "site_settings.py")
    code = "import os, django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
    printed = printed_by(tmp_path, "import hookguard\n" + code + "django.setup()\n" + RECEIVE)
    assert re.findall(r"INFO hookguard: stripe (\w+)", printed) == ["handled", "duplicate"]


@pytest.mark.runs("docs/operations.md", "shop/metrics.py")
def test_the_observer_counts_every_delivery(tmp_path):
    pytest.importorskip("prometheus_client")
    PAGE["shop/metrics.py"].write(tmp_path)
    assert printed_by(tmp_path, OBSERVE).endswith("\n1.0\n")


def test_every_fact_of_an_outcome_is_on_the_page():
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [field.name for field in dataclasses.fields(Outcome) if f"`{field.name}`" not in text] == []
