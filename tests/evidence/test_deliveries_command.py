"""``hookguard deliveries``: what people see of records, and what a copy for others leaves out."""

import json
import logging
import re
from dataclasses import replace

import pytest

click = pytest.importorskip("click")
pytest.importorskip("rich")

from click.testing import CliRunner

from hookguard import SQLiteStore
from hookguard.cli.app import hookguard
from hookguard.evidence.contract import FoundCause, HeadFact, KeptBody
from hookguard.testing import EvidenceContract


@pytest.fixture
def shop(tmp_path):
    store = SQLiteStore(tmp_path / "hookguard.sqlite3")
    yield Shop(store)
    store.close()


class Shop:
    """Records in a file."""

    def __init__(self, store):
        import time

        self.evidence, self.url = store.evidence(), f"sqlite:///{store.path}"
        self.samples = EvidenceContract()
        self.samples.clock = time.time

    def put(self, number, body=None, **changes):
        record = self.samples.record(number, **changes)
        if body is not None:
            record = replace(record, body_until=record.at + 60)
        self.evidence.write([(record, None if body is None else KeptBody(body))])
        return record

    def run(self, *arguments, status=0):
        done = CliRunner().invoke(hookguard, ["deliveries", self.url, *arguments])
        assert done.exit_code == status, done.output
        return done.output


def test_list_shows_each_record(shop):
    shop.put(0xA1, outcome="rejected", findings=(FoundCause("secret_retired", "proved"),), event_id="", event_type="")
    shop.put(0xA2, event_type="a\nb")
    shown = shop.run()
    for text in ("0000a1", "secret_retired", "0000a2", "evt_162", "a\\nb", "handled"):
        assert text in shown


def test_show_says_what_each_cause_means(shop):
    causes = (FoundCause("secret_retired", "proved"), FoundCause("of_a_later_release", "fact"))
    shop.put(0xA1, outcome="rejected", findings=causes, event_id="", event_type="")
    *_, last = shop.run("show", "0000a1").splitlines()
    assert last.startswith("secret_retired: a secret of this endpoint matches that is past its date. Switch the provider")


def test_show_leaves_out_the_size_of_a_body_that_was_not_read(shop):
    shop.put(0xA1, outcome="rejected", reason_code="missing_signature", body_size=0, body_sha256="")
    shop.put(0xA2, body_size=0)
    assert "body s" not in shop.run("show", "0000a1")
    assert json.loads(shop.run("show", "0000a1", "--json"))["body_size"] is None
    assert "body size         0 bytes\n" in shop.run("show", "0000a2")


def test_rejected_delivery_without_a_finding_was_not_examined(shop):
    now, rejected = shop.samples.clock(), {"outcome": "rejected", "event_id": "", "event_type": ""}
    shop.put(0xA1, at=now - 60, reason_code="signature_mismatch", **rejected)
    assert "signature_mismatch (not examined)" in " ".join(shop.run().split())
    assert "none: not examined (autopsies are off, or more than three came" in shop.run("show", "0000a1")
    shop.put(0xA2, at=now, reason_code="signature_mismatch", **rejected)
    shop.put(0xA3, at=now - 60, reason_code="body_too_large", **rejected)
    shop.put(0xA4, at=now - 60, reason_code="signature_mismatch", findings=(FoundCause("no_match", "fact"),), **rejected)
    for name in ("0000a2", "0000a3", "0000a4"):
        assert "not examined" not in shop.run("show", name)


def test_list_can_be_narrowed(shop):
    shop.put(0xA1, outcome="rejected", reason_code="expired")
    shop.put(0xA2, endpoint="other")
    old = shop.samples.clock() - 7300
    shop.put(0xA3, at=old, outcome="rejected")
    assert "0000a2" not in shop.run("--rejected")
    assert "0000a1" not in shop.run("--endpoint", "other")
    assert "0000a3" not in shop.run("--rejected", "--since", "2h")
    assert "0000a1" in shop.run("list", "--cause", "expired")
    assert "no such delivery is recorded" in shop.run("--cause", "no_match")
    assert "0000a1" not in shop.run("--limit", "1")
    assert "is not a span" in shop.run("--since", "soon", status=2)


def test_list_reads_more_than_one_page(shop, monkeypatch):
    import hookguard.cli.deliveries

    monkeypatch.setattr(hookguard.cli.deliveries, "PAGE", 3)
    for number in range(1, 9):
        shop.put(number)
    assert len(json.loads(shop.run("--json"))) == 8
    assert len(json.loads(shop.run("--json", "--limit", "5"))) == 5


def test_empty_list_is_reported(shop):
    assert shop.run() == "no delivery is recorded\n"


def test_list_as_json_has_every_fact_and_no_body(shop):
    shop.put(0xA1, body=b"canary")
    shown = shop.run("--json")
    (found,) = json.loads(shown)
    assert (found["event_id"], found["tenant"], found["headers"][1]) == (
        "evt_161",
        "acme",
        {"name": "stripe-signature", "value": None},
    )
    assert "canary" not in shown


def test_show_takes_the_beginning_of_a_name(shop):
    record = shop.put(0xA1, body=b"canary")
    shown = shop.run("show", "0000a1")
    assert record.delivery in shown
    assert "canary" not in shown
    assert json.loads(shop.run("show", record.delivery, "--json"))["delivery"] == record.delivery
    assert "too short" in shop.run("show", "0000", status=2)
    assert "no recorded delivery" in shop.run("show", "ffffff", status=2)


def test_each_reading_of_a_body_is_logged(shop, caplog):
    shop.put(0xA1, body=b"\x00canary")
    caplog.set_level(logging.INFO, "hookguard.evidence")
    assert "canary" in shop.run("show", "0000a1", "--body")
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("the body of the delivery 0000a1 was shown to ")


def test_missing_body_is_reported(shop):
    shop.put(0xA1)
    assert "no body is kept of the delivery 0000a1" in shop.run("show", "0000a1", "--body", status=2)


def test_export_leaves_out_what_may_be_personal(shop):
    headers = (HeadFact("x-event-id", "person-7"), HeadFact("user-agent", "Stripe/1.0"))
    shop.put(0xA1, body=b"canary", headers=headers, secret="key-of-acme")
    shop.put(0xA2, tenant="", secret="2026-11")
    shown = shop.run("--export")
    for text in ("evt_161", "acme", "canary", "person-7", "203.0.113.0", "replayed by ada"):
        assert text not in shown
    assert "2026-11" in shown, "the name of a secret of no tenant"
    assert "Stripe/1.0" in shown
    whole = shop.run(
        "--export", "--with", "ids", "--with", "tenants", "--with", "bodies", "--with", "addresses", "--with", "notes"
    )
    for text in ("evt_161", "key-of-acme", "canary", "person-7", "203.0.113.0", "replayed by ada"):
        assert text in whole
    assert "--with is for --export" in shop.run("--with", "ids", status=2)


def test_prune_deletes_everything_that_is_over(shop):
    for number in range(1, 6):
        shop.put(number, keep_until=1.0)
    kept = shop.put(9)
    assert shop.run("prune", "--batch", "2", "--pause", "0") == "5 deleted\n"
    assert [each.delivery for each in shop.evidence.find(limit=10)] == [kept.delivery]


def test_forget_needs_a_reason_and_logs_it(shop, caplog):
    record = shop.put(0xA1, body=b"canary")
    assert "--reason" in shop.run("forget", "--event", "evt_161", status=2)
    assert "1 record is emptied" in shop.run("forget", "--event", "evt_161", "--reason", "asked by mail")
    assert shop.evidence.get(record.delivery).event_id == ""
    assert any("asked by mail" in each.getMessage() for each in caplog.records)
    assert not any("evt_161" in each.getMessage() for each in caplog.records)
    assert "0 records are emptied" in shop.run("forget", "--event", "evt_161", "--reason", "asked by mail", status=1)


def test_store_without_records_is_reported():
    done = CliRunner().invoke(hookguard, ["deliveries", "memory://"])
    assert done.exit_code == 2
    assert "keeps no records of deliveries" in done.output


def test_deliveries_of_an_event_are_found_by_its_id(shop):
    shop.put(0xA1)
    shop.put(0xA2)
    shown = shop.run("--event", "evt_162")
    assert "0000a2" in shown
    assert "0000a1" not in shown
    assert "no such delivery" in shop.run("--event", "evt_16")


def test_unknown_cause_is_a_mistake(shop):
    shop.put(0xA1, outcome="rejected", reason_code="of_their_own_scheme", event_id="", event_type="")
    assert "0000a1" in shop.run("--cause", "of_their_own_scheme")
    assert "no such delivery" in shop.run("--cause", "secret_retired")
    assert "no such delivery" in shop.run("--cause", "signature_mismatch")
    assert "did you mean secret_retired?" in " ".join(shop.run("--cause", "secret_retird", status=2).split())


def test_show_rounds_the_duration_and_has_a_line_for_each_header(shop):
    headers = (HeadFact("content-type", "application/json"), HeadFact("x-own", None))
    record = shop.put(0xA1, duration=0.00018325200016988674, headers=headers)
    shown = shop.run("show", record.delivery)
    assert "0.2 ms" in shown
    assert re.search(r"^headers +content-type: application/json\n +x-own$", shown, re.MULTILINE)
    assert json.loads(shop.run("show", record.delivery, "--json"))["duration"] == 0.00018325200016988674
