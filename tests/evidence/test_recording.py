"""Records behind the guards: written after the reply is decided, and never in its way."""

import asyncio
import gc
import hashlib
import json
import logging
import threading
from urllib.parse import urlencode
from weakref import ref

import pytest
from waiting import wait_for_autopsies

from hookguard import AsyncGuard, Endpoint, Guard, MemoryStore, Reply, SQLiteStore, StoreUnavailable, Verifier, presets
from hookguard.config import Settings
from hookguard.errors import ConfigurationError
from hookguard.evidence.contract import HOURLY, FoundCause
from hookguard.evidence.settings import EvidenceSettings
from hookguard.guard import autopsies, recording
from hookguard.guard.recording import dropped, flush
from hookguard.headers import Headers
from hookguard.stores import evidence_sql

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
OTHER = "whsec_T3N9TqR90Mwf9PQxLPlbZnVyrfOcEYbI"
BODY = json.dumps({"id": "evt_1", "type": "invoice.paid"}).encode()
KINDS = pytest.mark.parametrize("kind", [Guard, AsyncGuard])


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(autopsies, "GRACE", 0.01)
    yield
    assert flush()


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    yield store
    assert flush()
    store.close()


def guard(store, name="billing", *, kind=Guard, secret=SECRET, evidence=True, **settings):
    return kind(Endpoint(Verifier("stripe", [secret]), name=name, evidence=evidence, **settings), store)


def delivery(body=BODY, secret=SECRET, **changes):
    signed = presets.STRIPE.sign(body, secret, headers={"User-Agent": "Stripe/1.0", "X-Trace": "abc"})
    return signed._replace(**changes)


def run(guarded, delivery, handle=lambda event: None):
    if isinstance(guarded, Guard):
        return guarded.run(delivery, handle)
    return asyncio.run(guarded.run(delivery, handle))


def records(store, **filters):
    assert flush()
    return store.evidence().find(limit=1000, **filters)


@KINDS
def test_handled_delivery_is_recorded(kind, store):
    guarded = guard(store, kind=kind)
    sent = delivery(remote="203.0.113.9")
    assert run(guarded, sent).status == 200
    (record,) = records(store)
    assert (record.endpoint, record.provider, record.outcome, record.status) == ("billing", "stripe", "handled", 200)
    assert (record.event_id, record.event_type, record.secret, record.scheme) == ("evt_1", "invoice.paid", "#1", "HmacScheme")
    assert (record.attempt, record.body_size, record.body_sha256) == (1, len(BODY), hashlib.sha256(BODY).hexdigest())
    assert record.content_sha256
    assert record.signature_sha256
    assert record.signed_at is not None
    assert record.address == ""
    assert record.keep_until - record.at == pytest.approx(guarded.endpoint.retention)
    values = {fact.name: fact.value for fact in record.headers}
    assert (values["user-agent"], values["content-type"]) == ("Stripe/1.0", "application/json")
    assert values["x-trace"] is None
    assert values["stripe-signature"] is None
    assert store.evidence().body(record.delivery) is None


@KINDS
def test_rejected_delivery_is_recorded_with_the_cause(kind, store, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    assert run(guard(store, kind=kind), delivery()._replace(body=BODY + b"\n")).status == 401
    wait_for_autopsies()
    (record,) = records(store, rejected=True)
    assert (record.outcome, record.reason_code, record.status) == ("rejected", "signature_mismatch", 401)
    assert record.findings == (FoundCause("body_whitespace_added", "proved"),)
    assert (record.event_id, record.content_sha256, record.secret) == ("", "", "")
    assert record.keep_until - record.at == pytest.approx(30 * 86400)
    assert records(store, cause="body_whitespace_added") == [record]
    marked = [each.getMessage() for each in caplog.records if f"[delivery {record.mark}]" in each.getMessage()]
    assert len(marked) == 1
    assert any(f"autopsy {record.mark}:" in each.getMessage() for each in caplog.records)


def test_log_names_a_recorded_rejection_without_an_autopsy(store, caplog):
    caplog.set_level(logging.INFO, "hookguard")
    assert run(guard(store, autopsy=False), delivery(secret=OTHER)).status == 401
    (record,) = records(store)
    assert f"[delivery {record.mark}]" in caplog.text


def test_duplicate_and_failure_are_recorded(store):
    guarded = guard(store)
    sent = delivery()
    assert run(guarded, sent, lambda event: Reply(500)).status == 500
    assert run(guarded, sent).status == 200
    assert run(guarded, sent).status == 200
    duplicate, handled, failed = records(store)
    assert [each.outcome for each in (failed, handled, duplicate)] == ["failed", "handled", "duplicate"]
    assert (failed.reason_code, failed.attempt, handled.attempt) == ("handler_status", 1, 2)
    assert failed.signature_sha256 == handled.signature_sha256 == duplicate.signature_sha256


def test_nothing_is_recorded_by_default(tmp_path):
    store = SQLiteStore(tmp_path / "claims.sqlite3")
    assert run(guard(store, evidence=None), delivery()).status == 200
    assert run(guard(store, evidence=False), delivery(secret=OTHER)).status == 401
    assert records(store) == []
    store.close()


def test_body_of_a_verified_delivery_is_kept_if_asked_for(store):
    guarded = guard(store, evidence={"KEEP_BODY": "2h"})
    run(guarded, delivery())
    run(guarded, delivery(secret=OTHER))
    rejected, handled = records(store)
    kept = store.evidence().body(handled.delivery)
    assert kept.body == BODY
    assert "stripe-signature" not in kept.head
    assert handled.body_until - handled.at == pytest.approx(7200)
    assert rejected.body_until is None
    assert store.evidence().body(rejected.delivery) is None


def test_body_of_a_rejected_delivery_is_kept_if_that_is_said_too(store):
    run(guard(store, evidence={"keep_body": 60, "keep_rejected_body": True}), delivery(secret=OTHER))
    (rejected,) = records(store)
    assert store.evidence().body(rejected.delivery).body == BODY
    assert store.evidence().body(rejected.delivery).head == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        (None, ""),
    ],
)
def test_address_is_truncated(address, network, store):
    run(guard(store, evidence={"addresses": "truncated", "keep_body": "1h"}), delivery(remote=address))
    (record,) = records(store)
    assert record.address == network
    assert "203.0.113.9" not in store.evidence().body(record.delivery).head


@pytest.fixture
def _long_hour(monkeypatch):
    """An hour that does not end while a test runs."""
    for module in (recording, evidence_sql):
        monkeypatch.setattr(module, "_HOUR", 1e12)


@pytest.mark.usefixtures("_long_hour")
def test_flood_of_forgeries_is_recorded_up_to_the_limit(store):
    guarded = guard(store, autopsy=False)
    before = dropped().get("hourly", 0)
    for _ in range(HOURLY + 15):
        assert run(guarded, delivery(secret=OTHER)).status == 401
    assert run(guarded, delivery()).status == 200
    assert len(records(store, rejected=True)) == HOURLY
    assert len(records(store)) == HOURLY + 1
    assert dropped()["hourly"] - before == 15


@KINDS
@pytest.mark.usefixtures("_long_hour")
def test_flood_of_one_genuine_delivery_is_recorded_up_to_the_limit(kind, store):
    guarded = guard(store, kind=kind)
    sent = delivery()
    for _ in range(HOURLY + 15):
        assert run(guarded, sent).status == 200
    found = [record.outcome for record in records(store)]
    assert found.count("handled") == 1
    assert found.count("duplicate") == HOURLY
    assert run(guarded, delivery(secret=OTHER)).status == 401
    assert len(records(store, rejected=True)) == 1, "another kind has its own limit"


def test_busy_process_deletes_as_fast_as_it_records(store):
    evidence, guarded = store.evidence(), guard(store)
    assert run(guarded, delivery()).status == 200
    (pattern,) = records(store)  # from now on, a minute has to pass
    over = [(pattern._replace(delivery=f"{number:032x}", endpoint="over", keep_until=1.0), None) for number in range(600)]
    assert evidence.write(over) == 600
    for number in range(400):
        body = json.dumps({"id": f"evt_of_the_flood_{number}"}).encode()
        assert run(guarded, delivery(body)).status == 200
        if number % 50 == 0:
            assert flush()
    assert len(records(store, endpoint="billing")) == 401
    assert len(evidence.find(endpoint="over", limit=1000)) <= 600 - 400


class Stubborn:
    """Evidence that cannot be written."""

    def write(self, records):
        raise StoreUnavailable(f"the values were {records[0][0]!r}")

    def explain(self, delivery, findings):
        raise AssertionError("no record was written")


class Broken(MemoryStore):
    def evidence(self):
        return Stubborn()


@KINDS
def test_store_that_fails_loses_records_and_no_delivery(kind, caplog, monkeypatch):
    monkeypatch.setattr(recording._writer.get(), "_logged", float("-inf"))
    before = dropped().get("StoreUnavailable", 0)
    guarded = guard(Broken(), kind=kind)
    assert [run(guarded, delivery()).status for _ in range(3)] == [200, 200, 200]
    assert flush()
    assert dropped()["StoreUnavailable"] - before == 3
    lines = [each.getMessage() for each in caplog.records if each.name == "hookguard.evidence"]
    assert len(lines) == 1
    assert "records of deliveries were dropped" in lines[0]
    assert "values" not in lines[0]


def test_record_that_cannot_be_written_loses_no_other(monkeypatch, store):
    evidence = store.evidence()
    write = evidence.write

    def picky(records):
        """As MySQL rejects a body that is larger than its packets."""
        if any(record.event_id == "evt_3" for record, _ in records):
            raise StoreUnavailable("the packet is too large")
        return write(records)

    monkeypatch.setattr(evidence, "write", picky)
    before = dropped().get("StoreUnavailable", 0)
    for number in range(6):
        assert run(guard(store), delivery(json.dumps({"id": f"evt_{number}"}).encode())).status == 200
    assert sorted(record.event_id for record in records(store)) == ["evt_0", "evt_1", "evt_2", "evt_4", "evt_5"]
    assert dropped()["StoreUnavailable"] - before == 1


def test_store_that_is_down_is_not_asked_for_each_record(monkeypatch):
    asked = []

    class Down(Stubborn):
        def write(self, records):
            asked.append(len(records))
            raise StoreUnavailable("down")

    class DownStore(MemoryStore):
        def evidence(self):
            return Down()

    monkeypatch.setattr(recording, "GRACE", 30.0)
    before = dropped().get("StoreUnavailable", 0)
    guarded = guard(DownStore())
    for _ in range(20):
        run(guarded, delivery())
    assert flush()
    assert asked == [20, 1, 1, 1]
    assert dropped()["StoreUnavailable"] - before == 20


def test_full_queue_drops_and_does_not_wait(monkeypatch):
    release = threading.Event()

    class Slow(Stubborn):
        def write(self, records):
            assert release.wait(30)

    class SlowStore(MemoryStore):
        def evidence(self):
            return Slow()

    monkeypatch.setattr(recording, "MOST", 5)
    monkeypatch.setattr(recording, "TOGETHER", 1)
    guarded = guard(SlowStore())
    before = dropped().get("busy", 0)
    assert [run(guarded, delivery()).status for _ in range(20)] == [200] * 20
    assert dropped()["busy"] - before >= 13
    release.set()


def test_no_delivery_waits_for_the_log_line_about_dropped_records(monkeypatch, store):
    logs, release = threading.Event(), threading.Event()

    class Slow(logging.Handler):
        def emit(self, record):
            logs.set()
            assert release.wait(60)

    handler = Slow()
    logging.getLogger("hookguard.evidence").addHandler(handler)
    try:
        monkeypatch.setattr(recording._writer.get(), "_logged", float("-inf"))
        monkeypatch.setattr(store.evidence(), "write", lambda records: 1 / 0)
        assert run(guard(store), delivery()).status == 200
        assert logs.wait(60)
        answers = []
        request = threading.Thread(target=lambda: answers.append(run(guard(store), delivery()).status))
        request.start()
        request.join(30)
        assert answers == [200]
    finally:
        release.set()
        assert flush()
        logging.getLogger("hookguard.evidence").removeHandler(handler)


def test_bytes_of_the_queue_are_bounded(monkeypatch, store):
    monkeypatch.setattr(recording, "MOST_BYTES", len(BODY) - 1)
    before = dropped().get("busy", 0)
    assert run(guard(store), delivery()).status == 200
    assert records(store) == []
    assert dropped()["busy"] == before + 1


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is full"), OSError("of a store of somebody's own")], ids=repr)
def test_prune_that_fails_loses_no_record(monkeypatch, store, error):
    asked = []

    def fail(*, limit):
        asked.append(limit)
        raise error

    monkeypatch.setattr(store.evidence(), "prune", fail)
    before = dict(dropped())
    run(guard(store), delivery())
    assert len(records(store)) == 1
    assert asked == [recording.PRUNED]
    assert dropped() == before


def test_body_of_several_events_counts_once(monkeypatch, store):
    monkeypatch.setattr(recording, "MOST_BYTES", 1000)
    preset, url = presets.get("mandrill"), "https://shop.example/mail"
    events = [{"_id": f"m{number}", "event": "open", "ts": 1} for number in range(8)]
    body = urlencode({"mandrill_events": json.dumps(events)}).encode()
    assert 250 < len(body) < 1000
    endpoint = Endpoint(Verifier(preset, ["s3cret-of-mandrill"]), name="mail", public_url=url, evidence=True)
    run(Guard(endpoint, store), preset.sign(body, "s3cret-of-mandrill", url=url))
    assert len(records(store)) == 8


def test_thread_ends_when_nothing_waits(store):
    run(guard(store), delivery())
    assert flush()
    for thread in threading.enumerate():
        if thread.name == "hookguard-evidence":
            thread.join(30)
            assert not thread.is_alive()


def test_batch_has_a_record_for_each_event(store):
    preset = presets.get("mandrill")
    assert preset.batch is not None
    url = "https://shop.example/mail"
    events = [{"_id": f"m{number}", "event": "open", "ts": 1} for number in (1, 2)]
    endpoint = Endpoint(Verifier(preset, ["s3cret-of-mandrill"]), name="mail", public_url=url, evidence={"keep_body": "1h"})
    sent = preset.sign(urlencode({"mandrill_events": json.dumps(events)}).encode(), "s3cret-of-mandrill", url=url)
    assert run(Guard(endpoint, store), sent).status == 200
    second, first = records(store)
    assert first.event_id != second.event_id
    assert (first.body_sha256, first.body_size) == (second.body_sha256, second.body_size)
    assert json.loads(store.evidence().body(first.delivery).body)["_id"] == "m1"


def test_store_that_keeps_no_records_is_rejected_by_name():
    with pytest.raises(ConfigurationError, match="endpoint 'billing' has evidence, and MemoryStore cannot keep records"):
        guard(MemoryStore())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("yes", "evidence is 'yes'; choose True, False, or give a mapping"),
        ({"keep_bodies": "1h"}, "unknown setting 'keep_bodies'; did you mean 'keep_body'"),
        ({"keep_body": "1 day"}, "keep_body is '1 day'; give seconds or a span such as '24h'"),
        ({"keep_body": 0}, "keep_body is 0; give seconds"),
        ({"keep_body": True}, "keep_body is True; give seconds"),
        ({"keep_body": "31d"}, "up to 30 days"),
        ({"keep_rejected_body": True}, "keep_rejected_body needs keep_body"),
        ({"keep_rejected_body": "no", "keep_body": 1}, "keep_rejected_body is 'no'; choose True or False"),
        ({"addresses": "whole"}, "addresses is 'whole'; choose 'truncated'"),
    ],
)
def test_wrong_setting_is_rejected_when_the_endpoint_is_made(given, message):
    with pytest.raises(ConfigurationError, match=f"endpoint 'billing': .*{message}"):
        Endpoint(Verifier("stripe", [SECRET]), name="billing", evidence=given)


def test_setting_is_read_from_a_mapping_for_all_endpoints():
    endpoints = {"stripe": {"secrets": [SECRET]}, "github": {"secrets": ["a-secret-that-is-long-enough"], "EVIDENCE": False}}
    settings = Settings({"EVIDENCE": {"KEEP_BODY": "24h"}, "ENDPOINTS": endpoints}, where="HOOKGUARD", default_store=MemoryStore)
    assert settings.endpoint("stripe").evidence == EvidenceSettings(keep_body=86400.0)
    assert settings.endpoint("github").evidence is None


def test_request_is_not_held_by_the_queue(store):
    """A WSGI environ that the queue kept would keep the whole request."""

    class Environ(dict):
        pass

    signed = delivery()
    environ = Environ({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed.headers.items()})
    watch = ref(environ)
    sent = signed._replace(headers=Headers.from_wsgi(environ))
    run(guard(store), sent)
    del environ, sent
    gc.collect()
    assert watch() is None
    assert len(records(store)) == 1


def test_fixed_token_has_no_digest(store):
    """A short token could be guessed from its digest."""
    preset = presets.get("telegram")
    guarded = Guard(Endpoint(Verifier(preset, ["a-token-of-telegram"]), name="chat", evidence=True), store)
    assert run(guarded, preset.sign(b'{"update_id": 1}', "a-token-of-telegram")).status == 200
    (record,) = records(store)
    assert record.signature_sha256 == ""
