"""Replies as bytes, and what a guard stores of them for duplicates."""

import logging

import pytest
from guards import NOW, SECRET, Async, Faulty, Sync
from hypothesis import given
from hypothesis import strategies as st

from hookguard import Claim, ClaimStatus, Endpoint, MemoryStore, Reply, Verifier, presets
from hookguard.guard.replies import reply_to_claim
from hookguard.reply import LARGEST_STORED
from hookguard.testing import FrozenClock

TWIML = Reply(200, (("Content-Type", "text/xml; charset=utf-8"),), b"<Response/>")
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=255)


# As bytes and back


def test_a_stored_reply_has_a_plain_format():
    assert TWIML.to_bytes() == b"\x01200 text/xml; charset=utf-8\n<Response/>"
    assert Reply(204).to_bytes() == b"\x01204 \n"


@given(st.integers(200, 299), PRINTABLE, st.binary(max_size=2000))
def test_a_stored_reply_is_read_back(status, content_type, body):
    reply = Reply(status, (("Content-Type", content_type),) if content_type else (), body)
    assert Reply.from_bytes(reply.to_bytes()) == reply


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20))), st.binary(max_size=50))
def test_no_other_header_is_stored(headers, body):
    dropped = [pair for pair in headers if pair[0].lower() not in ("content-type", "content-encoding")]
    reply = Reply(200, (*dropped, ("content-TYPE", "a/b"), ("Set-Cookie", "session=s3cret"), ("Authorization", "s3cret")), body)
    assert Reply.from_bytes(reply.to_bytes()) == Reply(200, (("Content-Type", "a/b"),), body)
    assert reply.to_bytes() == Reply(200, (("Content-Type", "a/b"),), body).to_bytes()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(199), "status 199"),
        (Reply(300), "status 300"),
        (Reply(500, (), b"x"), "status 500"),
        (Reply(2000), "status 2000"),
        (Reply(-200), "status -200"),
        (Reply(True), "status True"),
        (Reply(200, (("Content-Encoding", "gzip"),)), "compressed"),
        (Reply(200, (("content-encoding", "br"),)), "compressed"),
        (Reply(200, (("Content-Type", "a" * 256),)), "Content-Type"),
        (Reply(200, (("Content-Type", "text/ä"),)), "Content-Type"),
        (Reply(200, (("Content-Type", "a/b\nSet-Cookie: x"),)), "Content-Type"),
        (Reply(200, (("Content-Type", "a/b\n"),)), "Content-Type"),
        (Reply(200, (("Content-Type", "a/b\x7f"),)), "Content-Type"),
        (Reply(200, (("Content-Type", "\udc80"),)), "Content-Type"),
        (Reply(200, (), b"x" * (LARGEST_STORED + 1)), "reply of 65537 bytes is over 64 KiB and was not stored"),
    ],
)
def test_a_reply_that_is_not_stored_has_a_reason(reply, why):
    with pytest.raises(ValueError, match=why):
        reply.to_bytes()


def test_64_kib_are_stored():
    largest = Reply(200, (), b"\n" * LARGEST_STORED)
    assert Reply.from_bytes(largest.to_bytes()) == largest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01200",
        b"\x01200 ",
        b"\x02200 a/b\n",
        b"200 a/b\n",
        b"\x01100 a/b\n",
        b"\x01404 a/b\n",
        b"\x01 200 a/b\n",
        b"\x01200  a/b\r\n",
        b"\x0120\xd9\xa0 a/b\n",
        b"\x012000 a/b\n",
        b"\x01200\na/b\n",
        b"\x01200 a/b\x00\n",
        b"\x01200 caf\xe9\n",
        b"\x01200 " + b"a" * 256 + b"\n",
        b"\x01200 a/b\n" + b"x" * (LARGEST_STORED + 1),
        b'{"status": 200}',
    ],
)
def test_foreign_bytes_are_rejected(data):
    with pytest.raises(ValueError, match="another version"):
        Reply.from_bytes(data)


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=400).map(lambda tail: b"\x01200 " + tail)))
def test_any_bytes_are_a_reply_that_can_be_sent_or_rejected(data):
    try:
        reply = Reply.from_bytes(data)
    except ValueError:
        return
    assert 200 <= reply.status < 300
    assert all(name == "Content-Type" and value.isprintable() and value.isascii() for name, value in reply.headers)
    assert reply.to_bytes() == data  # there is one way to write a reply


# The answer to a claim


def test_a_stored_reply_answers_a_duplicate():
    reply = reply_to_claim(Claim(ClaimStatus.DONE, reply=TWIML.to_bytes()))
    assert reply == TWIML._replace(headers=(*TWIML.headers, ("Hookguard-Duplicate", "1")))


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x01500 a/b\nx"])
def test_one_that_cannot_be_read_is_a_plain_200_and_a_warning(data, caplog):
    assert reply_to_claim(Claim(ClaimStatus.DONE, reply=data)) == Reply(200, (("Hookguard-Duplicate", "1"),))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "plain 200: the stored reply comes from another version" in record.getMessage()


# Through the guards


@pytest.fixture(params=[Sync, Async], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def store():
    return Faulty(MemoryStore(clock=FrozenClock(NOW)))


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def make(kind, store, outcomes):
    def made(**options):
        verifier = Verifier("stripe", SECRET, clock=FrozenClock(NOW))
        return kind(Endpoint(verifier, observers=[outcomes.append], **options), store)

    return made


def stripe():
    return presets.STRIPE.sign(b'{"id": "evt_1"}', SECRET, timestamp=NOW)


PLAIN = Reply(200, (("Hookguard-Duplicate", "1"),))


def test_a_duplicate_gets_the_reply_again(make, outcomes):
    guard = make(store_reply=True)
    first = TWIML._replace(status=201, headers=(*TWIML.headers, ("Set-Cookie", "session=s3cret")))
    assert guard.settle(guard.open(stripe()), status=201, reply=first) is None
    for _ in range(3):
        receipt = guard.open(stripe())
        assert receipt.reply == Reply(201, (*TWIML.headers, ("Hookguard-Duplicate", "1")), b"<Response/>")
        assert (outcomes[-1].outcome, outcomes[-1].status) == ("duplicate", 201)
    assert outcomes[0].reason == ""


def test_a_reply_says_its_status(make):
    guard = make(store_reply=True)
    assert guard.settle(guard.open(stripe()), reply=TWIML._replace(status=202)) is None
    assert guard.open(stripe()).reply.status == 202


def test_nothing_is_stored_by_default(make, store):
    guard = make()
    guard.settle(guard.open(stripe()), status=200, reply=TWIML)
    assert guard.open(stripe()).reply == PLAIN
    assert make(store_reply=True).open(stripe()).reply == PLAIN


def test_a_stored_reply_is_unused_while_the_setting_is_off(make):
    guard = make(store_reply=True)
    guard.settle(guard.open(stripe()), status=200, reply=TWIML)
    assert make().open(stripe()).reply == PLAIN
    assert guard.open(stripe()).reply.body == TWIML.body


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (None, "streamed"),
        (Reply(200, (), b"x" * (LARGEST_STORED + 1)), "reply of 65537 bytes is over 64 KiB and was not stored"),
        (Reply(200, (("Content-Encoding", "gzip"),), b"x"), "compressed"),
        (Reply(500), "status 500"),
    ],
)
def test_a_reply_that_cannot_be_stored_still_completes_the_event(make, outcomes, reply, why):
    guard = make(store_reply=True)
    assert guard.settle(guard.open(stripe()), status=200, reply=reply) is None
    assert (outcomes[-1].outcome, outcomes[-1].status) == ("handled", 200)
    assert why in outcomes[-1].reason
    assert guard.open(stripe()).reply == PLAIN


@pytest.mark.parametrize("how", [{"status": 500}, {"error": ValueError()}, {}])
def test_a_failure_stores_nothing(make, how):
    guard = make(store_reply=True)
    reply = Reply(how["status"], (), b"sorry") if "status" in how else None
    guard.settle(guard.open(stripe()), reply=reply, **how)
    second = guard.open(stripe())
    assert second.event.attempt == 2
    guard.settle(second, status=200, reply=TWIML)
    assert guard.open(stripe()).reply.body == TWIML.body


def test_an_error_outweighs_the_reply(make):
    guard = make(store_reply=True)
    guard.settle(guard.open(stripe()), reply=TWIML, error=ValueError())
    assert guard.open(stripe()).event.attempt == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_goes_down_answers_503(make, store, when):
    guard = make(store_reply=True)
    receipt = guard.open(stripe())
    setattr(store, when, {"complete"})
    assert guard.settle(receipt, status=200, reply=TWIML).status == 503


def test_a_block_says_its_answer_whole(make):
    guard = make(store_reply=True)
    with guard.receive(stripe()) as receipt:
        receipt.answered(200, content_type="text/xml; charset=utf-8", body=b"<Response/>")
    with guard.receive(stripe()) as receipt:
        assert receipt.reply == TWIML._replace(headers=(*TWIML.headers, ("Hookguard-Duplicate", "1")))


def test_a_reply_may_be_a_status_alone(make):
    guard = make(store_reply=True)
    with guard.receive(stripe()) as receipt:
        receipt.answered(204)
    assert guard.open(stripe()).reply == Reply(204, (("Hookguard-Duplicate", "1"),))


def test_a_body_of_another_type_than_bytes_is_the_blocks_own_mistake(make):
    guard = make(store_reply=True)
    with pytest.raises(TypeError, match="body is str"), guard.receive(stripe()) as receipt:
        receipt.answered(200, body="<Response/>")
    assert guard.open(stripe()).event.attempt == 2
