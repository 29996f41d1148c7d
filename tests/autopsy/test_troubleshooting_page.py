"""The page about troubleshooting lists every cause with its sentence, an example and the next step."""

import base64
import hmac
import re
import time

import pytest
from pages import ROOT, blocks, shell

from hookguard import presets
from hookguard.autopsy import CAUSES

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


def test_every_cause_has_a_row_with_its_sentence_and_an_example():
    assert {code: (sentence, todo) for code, sentence, _, todo in ROWS} == CAUSES
    assert len(ROWS) == len(CAUSES)
    assert all(example.strip() for _, _, example, _ in ROWS)


@pytest.mark.runs("docs/troubleshooting.md", "From a saved delivery")
def test_command_of_the_page_runs(tmp_path):
    pytest.importorskip("click", reason="the commands need the extra cli")
    from hookguard.cli.inputs import dump_delivery

    secret = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', secret)
    (tmp_path / "saved.json").write_text(dump_delivery(delivery._replace(body=delivery.body + b"\n")))
    done = shell(blocks("docs/troubleshooting.md")["From a saved delivery"].printed(), tmp_path, STRIPE_SECRET=secret)
    assert done.returncode == 1, done.stdout
    assert "body_whitespace_added (proved)" in done.stdout


@pytest.mark.runs("docs/troubleshooting.md", "An unknown sender", "An unknown sender 2")
def test_unknown_sender_gets_the_declaration_of_the_page(tmp_path):
    pytest.importorskip("click", reason="the commands need the extra cli")
    secret, body, now = "s3cret-of-the-unknown-sender-0042", b'{"id": "evt_1"}', f"{time.time():.0f}"
    signature = base64.b64encode(hmac.digest(secret.encode(), now.encode() + b":" + body, "sha512")).decode()
    head = f"POST /in HTTP/1.1\r\nHost: shop.example\r\nX-Tower-Signature: v1={signature}\r\nX-Tower-Time: {now}\r\n\r\n"
    (tmp_path / "saved.http").write_bytes(head.encode() + body)
    page = blocks("docs/troubleshooting.md")
    done = shell(page["An unknown sender"].printed(), tmp_path, SENDER_SECRET=secret)
    assert done.returncode == 0, done.stdout
    assert page["An unknown sender 2"].printed().strip() in done.stdout
    names = page["An unknown sender 2"].run()
    assert names["SENDER"].scheme.signed == "{timestamp}:{body}"


APP = """
from flask import Flask
from hookguard_flask import HookGuard

app = Flask(__name__)
app.config["HOOKGUARD_ENDPOINTS"] = {"billing": {"preset": "stripe", "secrets": ["whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"]}}
app.config["HOOKGUARD_STORE"] = "memory://"
HookGuard(app)
"""


@pytest.mark.runs("docs/troubleshooting.md", "From a saved delivery 2")
def test_endpoint_of_an_application_is_examined(tmp_path):
    pytest.importorskip("click", reason="the commands need the extra cli")
    pytest.importorskip("flask")
    (tmp_path / "main.py").write_text(APP)
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg")
    head = "POST /hooks/billing HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in delivery.headers.items())
    (tmp_path / "saved.http").write_bytes(head.encode() + b"\r\n" + delivery.body + b"\n")
    done = shell(blocks("docs/troubleshooting.md")["From a saved delivery 2"].printed(), tmp_path)
    assert done.returncode == 1, done.stdout
    assert "body_whitespace_added (proved)" in done.stdout
