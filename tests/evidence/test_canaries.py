"""Marked secrets go in at every place where a delivery may carry them, and come out nowhere."""

import asyncio
import json
import logging
import re
import sqlite3

import pytest
from waiting import wait_for_autopsies

from hookguard import AsyncGuard, Endpoint, Guard, HmacScheme, SignatureHeader, SQLiteStore, TokenScheme, Verifier, presets
from hookguard.guard import autopsies
from hookguard.guard.recording import flush
from hookguard.place import InHeader, InQuery

CANARY = "cAnArY"
SECRET = f"{CANARY}-secret-0123456789abcdef"
HEADER = f"{CANARY}-header-value"
USER = f"{CANARY}-user:{CANARY}-password"
URL = f"https://{USER}@shop.example/hooks?key={CANARY}-query-value"
IN_BODY = f"{CANARY}-body"
BODY = json.dumps({"id": "evt_1", "type": "paid", "person": IN_BODY}).encode()


def presets_to_try():
    from hookguard import InBody, Preset

    events = {"event_id": InBody("id"), "event_type": InBody("type"), "identity": "id"}
    signed = HmacScheme(signature=SignatureHeader("X-Signature", "{hex}"))
    yield Preset(name="signed", scheme=signed, **events)
    yield Preset(name="token-in-header", scheme=TokenScheme(token=InHeader("X-Token")), **events)
    yield Preset(name="password-in-header", scheme=TokenScheme(form="bearer"), **events)
    yield Preset(name="token-in-query", scheme=TokenScheme(token=InQuery("token")), **events)
    yield presets.get("twilio")


def deliveries(preset):
    """A genuine delivery, and some that are rejected in various ways."""
    more = {
        "X-Api-Key": HEADER,
        "Cookie": HEADER,
        "Authorization": f"Basic {HEADER}",
        "X-Forwarded-For": f"{CANARY}-address",
    }
    more = {name: value for name, value in more.items() if name.lower() not in preset.scheme.signature_headers}
    body = b"MessageSid=SM1&Body=" + IN_BODY.encode() if preset.name == "twilio" else BODY
    sent = preset.sign(body, SECRET, headers=more, url=URL if preset.name == "twilio" else f"/hooks?x={CANARY}-query-value")
    yield sent
    yield sent._replace(body=sent.body + b"&x=1")
    yield sent._replace(
        headers=[(name, value) for name, value in sent.headers.items() if name not in preset.scheme.signature_headers]
    )
    yield sent._replace(method="PATCH")
    flipped = [
        (name, f"{value}{CANARY}" if name in preset.scheme.signature_headers else value) for name, value in sent.headers.items()
    ]
    yield sent._replace(headers=flipped, url=f"{sent.url}&token={CANARY}-token" if "?" in sent.url else sent.url)


def marks(sent, preset):
    """The texts that must come out nowhere: besides the canaries the signature, which no one can mark."""
    values = [value for name in preset.scheme.signature_headers for value in sent.headers.all(name)]
    return [CANARY, *values]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(autopsies, "GRACE", 0.01)


@pytest.mark.parametrize("kind", [Guard, AsyncGuard])
@pytest.mark.parametrize("preset", list(presets_to_try()), ids=lambda preset: preset.name)
def test_no_mark_comes_out_of_records_logs_and_reprs(preset, kind, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    settings = {"public_url": URL} if preset.name == "twilio" else {}
    verifier = Verifier(preset, [SECRET])
    guarded = kind(Endpoint(verifier, name="shop", evidence={"addresses": "truncated"}, **settings), store)
    found, forbidden = [], []
    for sent in deliveries(preset):
        answer = guarded.run(sent, lambda event: None)
        reply = answer if isinstance(guarded, Guard) else asyncio.run(answer)
        found.append(repr(reply))
        forbidden += marks(sent, preset)
    assert flush()
    wait_for_autopsies()
    assert flush()
    records = store.evidence().find(limit=100)
    assert {"handled", "rejected"} <= {record.outcome for record in records}
    assert len(records) == 5
    found += [*map(repr, records), repr(store.evidence()), *(str(each.__dict__) for each in caplog.records), caplog.text]
    store.close()
    # The whole file, as anybody reads it who has the file: each column of each table.
    found += contents(tmp_path / "claims.sqlite3", "hookguard_delivery")
    for text in found:
        for mark in forbidden:
            assert mark.lower() not in text.lower(), f"{mark} in {text[:300]}"


def test_kept_body_brings_nothing_else(tmp_path, caplog):
    """A body that was asked for is there, in its own column; its head has no password, signature or other header."""
    caplog.set_level(logging.DEBUG)
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    preset = presets.get("twilio")
    settings = {"keep_body": "1h", "keep_rejected_body": True}
    guarded = Guard(Endpoint(Verifier(preset, [SECRET]), name="shop", public_url=URL, evidence=settings), store)
    for sent in deliveries(preset):
        guarded.run(sent, lambda event: None)
    assert flush()
    wait_for_autopsies()
    assert flush()
    handled = next(each for each in store.evidence().find(limit=10) if each.outcome == "handled")
    kept = store.evidence().body(handled.delivery)
    assert IN_BODY.encode() in kept.body
    assert IN_BODY not in repr(kept)
    for mark in (USER, f"{CANARY}-password", HEADER, SECRET, sent.headers["x-twilio-signature"]):
        assert mark not in kept.head
    assert IN_BODY not in caplog.text
    store.close()


def contents(path, table):
    """Return every row of a table as text, without the column of bodies."""
    connection = sqlite3.connect(path)
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    rows = [dict(zip(names, row, strict=True)) for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    assert rows
    assert all(row["body"] is None and row["head"] is None for row in rows)
    assert not any(re.search("secret-", str(row)) for row in rows)
    return [str(row) for row in rows]
