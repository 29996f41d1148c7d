"""The contract of records of deliveries as a test class: subclass it, define how a store is made, and run it with pytest.

::

    class TestMyEvidence(EvidenceContract):
        def make_store(self, clock):
            return MyStore(clock=clock)  # with a method evidence()

The evidence must be empty at the start of each case.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hookguard.evidence.contract import HOURLY, DeliveryRecord, Evidence, FoundCause, HeadFact, KeptBody
from hookguard.testing.clock import FrozenClock

__all__ = ["EvidenceContract"]

BODY = KeptBody(b'{"id": "evt_1"}\x00\xff', '{"v":1}')


class EvidenceContract:
    """Each promise of :class:`~hookguard.evidence.contract.Evidence`, and the cases around it."""

    store: Any
    evidence: Evidence
    clock: FrozenClock

    def make_store(self, clock: FrozenClock) -> Any:
        """Return a store with a method ``evidence()``, that reads the time from ``clock``."""
        raise NotImplementedError("define how your store is made: def make_store(self, clock): return MyStore(clock=clock)")

    def setup_method(self) -> None:
        """Make a store for each case."""
        self.clock = FrozenClock()
        self.store = self.make_store(self.clock)
        self.evidence = self.store.evidence()

    def record(self, number: int = 1, **changes: Any) -> DeliveryRecord:
        """Return a record with every field filled."""
        now = self.clock()
        whole = DeliveryRecord(
            delivery=f"{number:06x}" + "ab" * 13,
            at=now,
            endpoint="billing",
            provider="stripe",
            tenant="acme",
            outcome="handled",
            status=200,
            reason_code="",
            secret="#1",  # noqa: S106 - a secret's name
            scheme="HmacScheme",
            event_id=f"evt_{number}",
            event_type="invoice.paid",
            attempt=1,
            duration=0.25,
            signed_at=now - 2.5,
            body_size=17,
            body_sha256="1" * 64,
            content_sha256="2" * 64,
            signature_sha256="3" * 16,
            headers=(HeadFact("content-type", "application/json"), HeadFact("stripe-signature", None)),
            address="203.0.113.0/24",
            note="replayed by ada",
            keep_until=now + 1000.0,
        )
        return replace(whole, **changes)

    def put(self, *records: DeliveryRecord) -> list[str]:
        """Store records without bodies, one by one, and return their names."""
        assert [self.evidence.write([(record, None)]) for record in records] == [1] * len(records)
        return [record.delivery for record in records]

    def names(self, **filters: Any) -> list[str]:
        """Return the names that a list has."""
        return [record.delivery for record in self.evidence.find(**{"limit": 100, **filters})]

    # --- one record

    def test_every_fact_comes_back(self) -> None:
        written = self.record(findings=(FoundCause("other_endpoint", "proved"), FoundCause("unfinished", "fact")))
        self.put(written)
        found = self.evidence.get(written.delivery)
        assert found is not None
        assert replace(found, seq=0) == written

    def test_empty_facts_come_back(self) -> None:
        written = self.record(status=None, signed_at=None, tenant="", headers=(), address="", event_id="", event_type="")
        self.put(written)
        found = self.evidence.get(written.delivery)
        assert found is not None
        assert replace(found, seq=0) == written

    def test_texts_of_any_language_come_back(self) -> None:
        written = self.record(
            tenant="Übung 日本 🙂", event_type="a'b\"c%d:e;--", headers=(HeadFact("user-agent", "🙂 'x' :y %s"),)
        )
        self.put(written)
        found = self.evidence.get(written.delivery)
        assert found is not None
        assert replace(found, seq=0) == written

    def test_texts_that_are_too_long_are_cut(self) -> None:
        (name,) = self.put(self.record(event_type="x" * 5000, event_id="y" * 5000, tenant="z" * 5000))
        found = self.evidence.get(name)
        assert found is not None
        assert found.event_type == "x" * 255

    def test_unknown_name_has_no_record(self) -> None:
        assert self.evidence.get("0" * 32) is None

    def test_record_is_stored_once(self) -> None:
        record = self.record()
        assert self.evidence.write([(record, None)]) == 1
        assert self.evidence.write([(record, None)]) == 0
        assert self.names() == [record.delivery]

    def test_several_records_are_written_together(self) -> None:
        records = [self.record(number) for number in range(1, 6)]
        assert self.evidence.write([(record, None) for record in records]) == 5
        assert self.names() == [record.delivery for record in reversed(records)]

    def test_writing_nothing_is_allowed(self) -> None:
        assert self.evidence.write([]) == 0

    # --- bodies

    def test_body_comes_back_with_its_head(self) -> None:
        record = self.record(body_until=self.clock() + 10.0)
        self.evidence.write([(record, BODY)])
        found = self.evidence.body(record.delivery)
        assert found == BODY
        assert b"evt" not in repr(found).encode()

    def test_record_without_body_says_so(self) -> None:
        (name,) = self.put(self.record(body_until=self.clock() + 10.0))
        found = self.evidence.get(name)
        assert found is not None
        assert found.body_until is None
        assert self.evidence.body(name) is None

    def test_body_is_not_returned_when_its_time_is_over(self) -> None:
        record = self.record(body_until=self.clock() + 10.0)
        self.evidence.write([(record, BODY)])
        self.clock.advance(10.0)
        assert self.evidence.body(record.delivery) is None

    def test_prune_deletes_the_body_and_keeps_the_record(self) -> None:
        record = self.record(body_until=self.clock() + 10.0)
        self.evidence.write([(record, BODY)])
        assert self.evidence.prune(limit=10) == 0
        self.clock.advance(10.0)
        assert self.evidence.prune(limit=10) == 1
        found = self.evidence.get(record.delivery)
        assert found is not None
        assert found.body_until is None
        self.clock.advance(-10.0)
        assert self.evidence.body(record.delivery) is None

    def test_large_body_comes_back(self) -> None:
        record = self.record(body_until=self.clock() + 10.0)
        body = KeptBody(bytes(range(256)) * 4096)
        self.evidence.write([(record, body)])
        assert self.evidence.body(record.delivery) == body

    # --- the end of a record

    def test_prune_deletes_records_whose_time_is_over(self) -> None:
        old = self.record(1, keep_until=self.clock() + 10.0)
        new = self.record(2, keep_until=self.clock() + 20.0)
        self.put(old, new)
        self.clock.advance(10.0)
        assert self.evidence.prune(limit=10) == 1
        assert self.names() == [new.delivery]

    def test_prune_deletes_at_most_the_limit(self) -> None:
        self.put(*(self.record(number, keep_until=self.clock()) for number in range(1, 6)))
        assert [self.evidence.prune(limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_prune_empties_at_most_the_limit(self) -> None:
        for number in range(1, 6):
            self.evidence.write([(self.record(number, body_until=self.clock()), BODY)])
        assert [self.evidence.prune(limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert len(self.names()) == 5

    def test_forget_empties_every_record_of_an_event(self) -> None:
        first, again, other = self.record(1), self.record(2, event_id="evt_1"), self.record(3)
        for record in (first, again, other):
            self.evidence.write([(replace(record, body_until=self.clock() + 10.0), BODY)])
        assert self.evidence.forget("evt_1") == 2
        assert self.evidence.forget("evt_1") == 0
        for record in (first, again):
            found = self.evidence.get(record.delivery)
            assert found is not None
            personal = (found.event_id, found.tenant, found.headers, found.body_sha256, found.content_sha256, found.address)
            assert personal == ("", "", (), "", "", "")
            assert (found.endpoint, found.outcome, found.body_until) == ("billing", "handled", None)
            assert self.evidence.body(record.delivery) is None
        assert self.evidence.body(other.delivery) == BODY

    def test_forgetting_no_id_empties_nothing(self) -> None:
        (name,) = self.put(self.record(event_id=""))
        assert self.evidence.forget("") == 0
        found = self.evidence.get(name)
        assert found is not None
        assert found.tenant == "acme"

    # --- findings

    def test_findings_are_added_later(self) -> None:
        (name,) = self.put(self.record(outcome="rejected"))
        findings = (FoundCause("secret_retired", "proved"), FoundCause("other_endpoint", "suspected"))
        assert self.evidence.explain(name, findings)
        found = self.evidence.get(name)
        assert found is not None
        assert found.findings == findings

    def test_findings_of_an_unknown_record_are_left_out(self) -> None:
        assert not self.evidence.explain("0" * 32, (FoundCause("no_match", "fact"),))
        assert self.names() == []

    # --- notes

    def test_note_is_set(self) -> None:
        (name,) = self.put(self.record(note=""))
        assert self.evidence.annotate(name, "replayed by ada: the disk was full 🙂")
        found = self.evidence.get(name)
        assert found is not None
        assert found.note == "replayed by ada: the disk was full 🙂"
        assert not self.evidence.annotate("0" * 32, "nothing")

    # --- lists

    def test_list_has_the_newest_first_and_goes_on_after_a_record(self) -> None:
        names = self.put(*(self.record(number) for number in range(1, 8)))
        seen: list[str] = []
        after = None
        while page := self.evidence.find(after=after, limit=3):
            seen += [record.delivery for record in page]
            after = page[-1].seq
        assert seen == names[::-1]

    def test_list_of_rejected_ones(self) -> None:
        rejected, _ = self.put(self.record(1, outcome="rejected"), self.record(2))
        assert self.names(rejected=True) == [rejected]

    def test_list_by_cause_reads_whole_codes(self) -> None:
        one, two, three = self.put(*(self.record(number, outcome="rejected") for number in (1, 2, 3)))
        self.evidence.explain(one, (FoundCause("url_scheme", "proved"), FoundCause("secret_retired", "proved")))
        self.evidence.explain(two, (FoundCause("secret_retired_twice", "proved"),))
        assert self.names(cause="secret_retired") == [one]
        assert self.names(cause="secretxretired") == []
        assert self.names(cause="%") == []
        assert self.names(cause="secret_retired_twice") == [two]
        assert three not in self.names(cause="url_scheme")

    def test_list_by_reason_code(self) -> None:
        (one, _) = self.put(self.record(1, reason_code="signature_mismatch"), self.record(2, reason_code="missing_signature"))
        assert self.names(cause="signature_mismatch") == [one]

    def test_list_by_a_text_that_no_record_can_have_is_empty(self) -> None:
        self.put(self.record(1, outcome="rejected"))
        assert self.names(cause="secret\0") == self.names(endpoint="\0") == self.names(delivery="\0") == []

    def test_list_of_an_endpoint_compares_exactly(self) -> None:
        one, _, _ = self.put(self.record(1, endpoint="Pay"), self.record(2, endpoint="pay"), self.record(3, endpoint="pAY"))
        assert self.names(endpoint="Pay") == [one]

    def test_list_since_an_instant(self) -> None:
        self.put(self.record(1))
        self.clock.advance(60.0)
        (late,) = self.put(self.record(2))
        assert self.names(since=self.clock()) == [late]

    def test_list_by_the_beginning_of_a_name(self) -> None:
        one, two = self.put(self.record(0xABC123), self.record(0xABC124))
        assert self.names(delivery="abc123") == [one]
        assert self.names(delivery="ABC12") == [two, one]
        assert self.names(delivery=one) == [one]
        assert self.names(delivery="f") == []

    def test_filters_are_combined(self) -> None:
        self.put(self.record(1, outcome="rejected"), self.record(2, endpoint="other"))
        (name,) = self.put(self.record(3, outcome="rejected", endpoint="other", reason_code="expired"))
        assert self.names(rejected=True, endpoint="other", cause="expired", since=self.clock() - 1.0) == [name]

    # --- a flood

    def test_rejected_deliveries_of_an_hour_are_limited(self) -> None:
        hour = self.clock() // 3600 * 3600 + 7200
        self.clock.advance(hour - self.clock())
        flood = [self.record(number, outcome="rejected") for number in range(1, HOURLY + 21)]
        assert self.evidence.write([(record, None) for record in flood]) == HOURLY
        (_,) = self.put(self.record(500, outcome="rejected", endpoint="other"))
        (_,) = self.put(self.record(501))
        assert len(self.names(endpoint="billing", rejected=True, limit=1000)) == HOURLY
        (_,) = self.put(self.record(503, outcome="duplicate"))
        self.clock.advance(3600.0)
        (_,) = self.put(self.record(502, outcome="rejected"))

    def test_duplicates_of_an_hour_are_limited(self) -> None:
        hour = self.clock() // 3600 * 3600 + 7200
        self.clock.advance(hour - self.clock())
        flood = [self.record(number, outcome="duplicate") for number in range(1, HOURLY + 21)]
        assert self.evidence.write([(record, None) for record in flood]) == HOURLY
