"""No entry ends without an outcome, whatever its body is and however its workers ended."""

import logging
import sqlite3
import time

import pytest

pytest.importorskip("flask")

from flask import Flask

from hookguard import presets
from hookguard.work.process import work
from hookguard.work.worker import Worker
from hookguard_flask import HookGuard

SECRET = "a-secret-that-is-long-enough"


class Shop:
    """An app whose handler answers ``status``, and the outcomes that its log has."""

    def __init__(self, folder, log, status=204, name="stripe"):
        self.file = f"{folder}/shop.sqlite3"
        self.log = log
        self.app = Flask("shop")
        inbox = {"tries": 1, "first": 0.05, "longest_wait": 0.2}
        self.app.config["HOOKGUARD_ENDPOINTS"] = {
            name: {"preset": "stripe", "secrets": [SECRET], "identity": "content", "inbox": inbox}
        }
        self.app.config["HOOKGUARD_STORE"] = f"sqlite:///{self.file}"
        hooks = HookGuard(self.app)
        self.app.post("/hooks")(hooks.guard(name)(lambda: ("", status)))

    def send(self, body):
        delivery = presets.STRIPE.sign(body, SECRET)
        return self.app.test_client().post("/hooks", data=body, headers=delivery.headers.items()).status_code

    def worker(self):
        return Worker(self.app, self.app.extensions["hookguard"].open_lanes(self.app), drain=True)

    def work(self):
        """Let a worker drain the inbox; return the outcomes of its runs."""
        self.log.clear()
        with self.log.at_level(logging.INFO):
            work(self.worker())
        self.outcomes = [record for record in self.log.records if hasattr(record, "outcome")]
        return [(record.outcome, record.reason_code) for record in self.outcomes]


@pytest.mark.parametrize(("status", "outcome"), [(204, ("handled", "")), (500, ("dead", "handler_status"))])
def test_event_whose_body_is_not_json_has_an_outcome(tmp_path, caplog, status, outcome):
    shop = Shop(tmp_path, caplog, status)
    assert shop.send(b"not json") == 200
    assert shop.work() == [outcome]
    assert shop.outcomes[-1].event_id.startswith("sha256:")


def test_entry_that_is_dead_because_its_workers_died_is_reported_once(tmp_path, caplog):
    shop = Shop(tmp_path, caplog)
    shop.send(b'{"id": "evt_1", "type": "order.paid"}')
    with sqlite3.connect(shop.file) as connection:
        connection.execute(
            "UPDATE hookguard_inbox SET state = 1, crashes = 4, attempt = 5, token = x'00', due_at = ?", (time.time(),)
        )
    connection.close()
    assert shop.work() == [("dead", "worker_died")]
    assert (shop.outcomes[-1].event_type, shop.outcomes[-1].reason) == ("order.paid", "its worker died 5 times")
    assert shop.work() == []


def test_entries_of_an_endpoint_that_was_renamed_are_reported(tmp_path, caplog):
    Shop(tmp_path, caplog, name="old").send(b'{"id": "evt_1"}')
    assert Shop(tmp_path, caplog, name="new").work() == []
    (warning,) = [record for record in caplog.records if getattr(record, "reason_code", "") == "no_such_endpoint"]
    assert warning.getMessage().startswith("1 events of endpoint 'old' wait in SQLiteInbox(")
    assert Shop(tmp_path, caplog, name="old").work() == [("handled", "")]
    assert not any(getattr(record, "reason_code", "") == "no_such_endpoint" for record in caplog.records)


def test_worker_that_has_ended_may_be_stopped_once_more(tmp_path, caplog):
    worker = Shop(tmp_path, caplog).worker()
    work(worker)
    worker.stop()
