"""The page on sending: each block as it is printed, and its tables beside the code."""

import inspect
import re

import pytest
from pages import ROOT, blocks

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
pytest.importorskip("stamina")

from receiving import LOOPBACK, receiver

from hookguard import Delivery, Verifier
from hookguard.sender import send_webhook

PAGE = blocks("docs/sender.md")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.runs("docs/sender.md", "Sending a webhook")
def test_first_example_sends(monkeypatch, capsys):
    with receiver() as there:
        # The page's host is elsewhere: the same call goes to a server of the test.
        monkeypatch.setattr(
            "hookguard.sender.send_webhook",
            lambda url, *args, **more: send_webhook(there.url, *args, allow_http=True, allow_networks=LOOPBACK, **more),
        )
        PAGE["Sending a webhook"].run()
        (came,) = there.seen
    event = Verifier("standard-webhooks", SECRET).verify(Delivery(came.body, came.headers))
    assert (event.id, event.type) == ("msg_in_1_paid", "invoice.paid")
    assert capsys.readouterr().out == "msg_in_1_paid 200 1\n"


@pytest.mark.runs("docs/sender.md", "In a test")
def test_example_of_a_test_passes():
    with receiver() as there:
        names = PAGE["In a test"].run({"SECRET": SECRET})
        names["test_an_invoice_is_booked"](there.url.removesuffix("/hooks"))
    assert there.seen[0].path == "/hooks/acme"


def test_table_has_every_argument_with_its_default():
    text = (ROOT / "docs" / "sender.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", text, re.MULTILINE)
    parameters = inspect.signature(send_webhook).parameters
    assert [name for name, _ in rows] == list(parameters)
    for name, printed in rows:
        default = parameters[name].default
        if printed.strip("`").replace("False", "0").isdecimal():
            assert default == int(printed.strip("`").replace("False", "0"))
        else:
            assert default in (inspect.Parameter.empty, None, "")
