"""The records of deliveries have the same facts in every framework."""

import json

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx"):
    pytest.importorskip(needed)

from same_clients import WAYS, client_of

from hookguard import SQLiteStore, presets
from hookguard.guard.recording import flush

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
LIMIT = 100
RULES = {"strict": {"allow_from": ["192.0.2.0/24"]}, "https": {"require_https": True}}


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    yield store
    assert flush()
    store.close()


def app(way, store, handle, names=("stripe",)):
    common = {"preset": "stripe", "secrets": [SECRET], "max_body": LIMIT, "autopsy": False}
    kept = {"keep_body": "1h", "keep_rejected_body": True}
    endpoints = {name: {**common, "evidence": kept, **RULES.get(name, {})} for name in names}
    return client_of(way, {"endpoints": endpoints, "store": store}, handle)


def delivery(identifier="evt_1", **more):
    return presets.STRIPE.sign(json.dumps({"id": identifier, "type": "invoice.paid", **more}).encode(), SECRET)


def without(signed, *names):
    return signed._replace(headers=[(name, value) for name, value in signed.headers.items() if name not in names])


def rejections():
    """The endpoint, a delivery that is rejected before its body is read, and the reason."""
    signed = delivery()
    yield "stripe", without(signed, "stripe-signature"), "missing_signature"
    yield "stripe", delivery(text="x" * LIMIT), "body_too_large"
    yield "stripe", presets.STRIPE.sign(b"{}", SECRET, headers={"Content-Encoding": "gzip"}), "unsupported_encoding"
    yield "strict", signed, "address_not_allowed"
    yield "https", signed, "insecure_transport"


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_body_that_was_not_read_has_no_size_and_no_digest(way, store):
    found = []
    with app(way, store, lambda event: 204, ("stripe", *RULES)) as client:
        for endpoint, sent, reason in rejections():
            client.send(endpoint, sent, "")
            assert flush()
            record = store.evidence().find(limit=1)[0]
            found.append((record.reason_code, reason, record.size, record.body_sha256, record.body_until))
    assert found == [(reason, reason, None, "", None) for _, _, reason in rejections()]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_empty_body_that_was_read_has_a_size(way, store):
    with app(way, store, lambda event: 204) as client:
        client.send("stripe", delivery()._replace(body=b""), "")
    assert flush()
    (record,) = store.evidence().find(limit=2)
    assert (record.outcome, record.size, record.body_sha256[:8]) == ("rejected", 0, "e3b0c442")


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_exception_is_recorded_with_the_status_of_its_answer(way, store):
    def handle(event):
        raise ValueError("the handler's own mistake")

    with app(way, store, handle) as client:
        answered = client.send("stripe", delivery(), "").status_code
    assert flush()
    (record,) = store.evidence().find(limit=2)
    assert (answered, record.outcome, record.status) == (500, "failed", 500)


def http_error(kind):
    """An exception of the framework, which is answered 404."""
    framework = kind.partition("_")[0]
    if framework == "django":
        return __import__("django.http").http.Http404()
    if framework == "litestar":
        return __import__("litestar.exceptions").exceptions.HTTPException(status_code=404)
    if framework in ("flask", "quart"):
        return __import__("werkzeug.exceptions").exceptions.NotFound()
    return __import__("starlette.exceptions").exceptions.HTTPException(404)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_http_exception_is_recorded_with_its_status(way, store):
    def handle(event):
        raise http_error(way[0])

    with app(way, store, handle) as client:
        answered = client.send("stripe", delivery(), "").status_code
    assert flush()
    (record,) = store.evidence().find(limit=2)
    assert (answered, record.outcome, record.status) == (404, "failed", 404)
