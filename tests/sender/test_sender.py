"""``send_webhook``: what is sent, what is tried again, and what is raised, with real servers."""

import asyncio
import base64
import logging
import time
from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from error_reports import report

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
stamina = pytest.importorskip("stamina")

from receiving import LOOPBACK, raw_server, receiver

from hookguard import ConfigurationError, Delivery, Secret, Verifier
from hookguard.errors import SignatureMismatch
from hookguard.sender import Gone, NotAccepted, asend_webhook, send_webhook

SECRET = "whsec_" + base64.b64encode(b"a-key-of-the-sender-in-tests").decode()
OTHER = "whsec_" + base64.b64encode(b"another-key-of-the-same-test").decode()
BODY = b'{"type": "invoice.paid", "id": 7}'
HERE = {"allow_http": True, "allow_networks": LOOPBACK}


@pytest.fixture
def there():
    with receiver() as found:
        yield found


@pytest.fixture
def without_waits():
    stamina.set_testing(True, attempts=6)
    yield
    stamina.set_testing(False)


def verified(came, *secrets):
    return Verifier("standard-webhooks", list(secrets or [SECRET])).verify(Delivery(came.body, came.headers))


def test_receiver_gets_what_standard_webhooks_describes(there):
    accepted = send_webhook(there.url, BODY, SECRET, id="msg_1", type="invoice.paid", **HERE)
    (came,) = there.seen
    assert accepted == ("msg_1", 200, 1)
    assert came.body == BODY
    assert came.headers["content-type"] == "application/json"
    assert came.headers["hookguard-event-type"] == "invoice.paid"
    event = verified(came)
    assert (event.id, event.type) == ("msg_1", "invoice.paid")


def test_official_library_verifies_it(there):
    official = pytest.importorskip("standardwebhooks")
    send_webhook(there.url, BODY, SECRET, **HERE)
    (came,) = there.seen
    assert official.Webhook(SECRET).verify(came.body, came.headers) == {"type": "invoice.paid", "id": 7}
    with pytest.raises(official.WebhookVerificationError):
        official.Webhook(OTHER).verify(came.body, came.headers)


def test_several_secrets_make_several_signatures(there):
    send_webhook(there.url, BODY, [OTHER, SECRET], **HERE)
    (came,) = there.seen
    assert len(came.headers["webhook-signature"].split(" ")) == 2
    verified(came, SECRET)
    verified(came, OTHER)


def test_expired_secret_signs_nothing(there):
    send_webhook(there.url, BODY, [Secret(OTHER), Secret(SECRET, name="old", not_after=time.time() - 1)], **HERE)
    verified(there.seen[0], OTHER)
    with pytest.raises(SignatureMismatch):
        verified(there.seen[0], SECRET)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_failure_is_tried_again_under_the_same_id(there, status, without_waits):
    there.answers.extend([status, status])
    accepted = send_webhook(there.url, BODY, SECRET, **HERE)
    assert accepted.attempts == 3
    assert there.ids == [accepted.id] * 3
    for came in there.seen:
        verified(came)


def test_each_further_attempt_is_logged_with_its_reason_and_stamina_is_quiet(there, without_waits, caplog):
    there.answers.append(503)
    send_webhook(there.url, BODY, SECRET, id="msg_9", **HERE)
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("hookguard.sender", logging.WARNING)
    said = line.getMessage()
    assert said.startswith(f"attempt 1 of 6 to send msg_9 to {there.url}")
    assert "failed: it answered 503; the next one comes in" in said
    assert "invoice" not in said


def test_lines_of_stamina_for_other_callers_stay(caplog, without_waits):
    with pytest.raises(LookupError):
        for attempt in stamina.retry_context(on=LookupError, attempts=2):
            with attempt:
                raise LookupError
    assert "stamina" in [record.name for record in caplog.records]


def test_each_attempt_is_signed_at_its_own_time(there):
    there.answers.append((503, {"Retry-After": "2"}, b""))
    send_webhook(there.url, BODY, SECRET, **HERE)
    first, second = (int(came.headers["webhook-timestamp"]) for came in there.seen)
    assert second >= first + 1
    assert there.seen[0].headers["webhook-signature"] != there.seen[1].headers["webhook-signature"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 422])
def test_lasting_failure_is_not_tried_again(there, status):
    there.answers.append((status, {"Location": there.url}, b""))
    with pytest.raises(NotAccepted) as caught:
        send_webhook(there.url, BODY, SECRET, id="msg_1", **HERE)
    assert (caught.value.status, caught.value.id, caught.value.attempts) == (status, "msg_1", 1)
    assert len(there.seen) == 1


def test_gone_is_an_error_of_its_own(there):
    there.usual = 410
    with pytest.raises(Gone) as caught:
        send_webhook(there.url, BODY, SECRET, **HERE)
    assert caught.value.status == 410
    assert len(there.seen) == 1


def test_sender_gives_up_after_its_attempts(there, without_waits):
    there.usual = 503
    stamina.set_testing(True, attempts=4)
    with pytest.raises(NotAccepted, match="after 4 attempts: it answered 503") as caught:
        send_webhook(there.url, BODY, SECRET, **HERE)
    assert caught.value.attempts == len(there.seen) == 4


def test_receiver_that_does_not_listen_is_tried_again(without_waits):
    with raw_server(lambda _: None) as (port, _):
        pass
    stamina.set_testing(True, attempts=3)
    with pytest.raises(NotAccepted, match="after 3 attempts") as caught:
        send_webhook(f"http://127.0.0.1:{port}/", BODY, SECRET, **HERE)
    assert caught.value.status is None


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_obeyed_in_both_forms(there, as_date):
    told = format_datetime(datetime.fromtimestamp(time.time() + 3, timezone.utc), usegmt=True) if as_date else "2"
    there.answers.append((429, {"Retry-After": told}, b""))
    send_webhook(there.url, BODY, SECRET, **HERE)
    assert there.seen[1].at - there.seen[0].at >= 1.5


def test_sender_gives_up_rather_than_wait_past_its_timeout(there):
    there.usual = 503
    there.answers.append((503, {"Retry-After": "3600"}, b""))
    with pytest.raises(NotAccepted, match="after 1 attempt: it answered 503"):
        send_webhook(there.url, BODY, SECRET, timeout=20, **HERE)
    assert len(there.seen) == 1


def test_sender_awaits_on_a_loop(there):
    assert asyncio.run(asend_webhook(there.url, BODY, SECRET, **HERE)).status == 200


def test_blocking_sender_on_a_running_loop_is_an_error():
    async def call():
        send_webhook("https://example.com/", BODY, SECRET)

    with pytest.raises(ConfigurationError, match="await asend_webhook"):
        asyncio.run(call())


@pytest.mark.parametrize(
    ("url", "more", "says"),
    [
        ("http://example.com/", {}, "set allow_http"),
        ("ftp://example.com/", {}, "write https://host/path"),
        ("https://", {}, "write https://host/path"),
        ("https://user:canary@example.com/", {}, "leave it out"),
        ("https://example.com:99999/", {}, "not a URL"),
        (b"https://example.com/", {}, "give text"),
        ("https://example.com/", {"attempts": 0}, "1 or more"),
        ("https://example.com/", {"timeout": 0}, "more than 0"),
        ("https://example.com/", {"id": "a.b"}, "without a full stop"),
        ("https://example.com/", {"id": "a\nb"}, "printable"),
        ("https://example.com/", {"allow_networks": ["everywhere"]}, "not a network"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(url, more, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        send_webhook(url, BODY, SECRET, **more)
    assert "canary" not in str(caught.value)


def test_text_in_place_of_bytes_is_an_error():
    with pytest.raises(TypeError, match="pass the bytes"):
        send_webhook("https://example.com/", "{}", SECRET)  # type: ignore[arg-type]  # the mistake that is tested


async def awaited(*given, **more):
    return await asend_webhook(*given, **more)


def test_secret_is_in_no_error_report(there):
    there.usual = 400
    url = f"{there.url}?token=canary"
    for send in (send_webhook, lambda *given, **more: asyncio.run(awaited(*given, **more))):
        with pytest.raises(NotAccepted) as caught:
            send(url, BODY, SECRET, **HERE)
        for secret in (SECRET, "canary", "invoice.paid"):
            assert secret not in report(caught.value)
    with pytest.raises(ConfigurationError) as wrong:
        send_webhook(there.url, BODY, "whsec_cut+canary=x", **HERE)
    assert "canary" not in report(wrong.value)
