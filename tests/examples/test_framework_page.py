"""The code on the page for people without a framework runs."""

import asyncio
import io
from types import SimpleNamespace

import pytest
from pages import blocks

from hookguard import Guard, MemoryStore, Verifier, presets

SECRET = "a-secret-that-is-long-enough"
PAGE = blocks("docs/without-framework.md")


def paid():
    """A delivery that is fresh when it is sent, however long the tests before it took."""
    return presets.STRIPE.sign(b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}', SECRET)


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET", SECRET)


def ask(app, delivery):
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()}
    length = str(len(delivery.body))
    environ |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(delivery.body)}
    said = []
    body = b"".join(app(environ, lambda *start: said.append(start)))
    return said[0][0], dict(said[0][1]).get("Content-Type"), body


@pytest.mark.runs("docs/without-framework.md", "app.py")
def test_the_plain_application_receives(capsys):
    delivery = paid()
    app = PAGE["app.py"].run()["app"]
    assert ask(app, delivery) == ("200 OK", None, b"")
    assert ask(app, delivery)[0] == "200 OK"
    assert capsys.readouterr().out == "ship it: in_1\n"
    status, kind, body = ask(app, delivery._replace(body=b"{}"))
    assert (status, kind) == ("401 Unauthorized", "application/problem+json")
    assert b"webhook rejected" in body
    assert ask(app, delivery._replace(body=bytes(2 << 20)))[0].startswith("413")


@pytest.mark.runs("docs/without-framework.md", "inbox.py")
def test_the_event_loops_inbox_receives(capsys):
    delivery = paid()
    receive = PAGE["inbox.py"].run()["receive"]
    assert [asyncio.run(receive(delivery.body, delivery.headers)) for _ in range(2)] == [200, 200]
    assert asyncio.run(receive(b"{}", delivery.headers)) == 401
    assert capsys.readouterr().out == "received evt_1\n"


@pytest.mark.runs("docs/without-framework.md", "plugin.py")
def test_a_framework_of_ones_own_receives():
    delivery = paid()
    receive = PAGE["plugin.py"].run()["receive"]
    guard = Guard(Verifier("stripe", SECRET), MemoryStore())
    statuses = iter([503, 204])

    def view(event):
        return SimpleNamespace(status_code=next(statuses))

    answers = [receive(guard, delivery, view, lambda reply: SimpleNamespace(status_code=reply.status)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 204, 200]
