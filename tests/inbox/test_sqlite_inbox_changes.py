"""A worker notices what other processes store without reading a page, and without waiting for a writer."""

import threading

from hookguard import SQLiteStore, StoreKey
from hookguard.inbox.contract import Kept, Notices


def kept(identifier):
    return Kept(key=StoreKey("github/github", identifier), endpoint="github", event_type="push", head="{}", body=b"{}")


def test_write_of_another_process_is_noticed_once(tmp_path):
    web, worker = (SQLiteStore(tmp_path / "inbox.sqlite3").inbox() for _ in range(2))
    assert isinstance(worker, Notices)
    worker.changed()
    assert not worker.changed()
    web.put([kept("d-1")])
    assert worker.changed()
    assert not worker.changed()


def test_inbox_that_is_being_written_counts_as_changed(tmp_path):
    inbox = SQLiteStore(tmp_path / "inbox.sqlite3").inbox()
    inbox.changed()
    opened = inbox._database.here()
    with opened.lock:
        found = []
        asking = threading.Thread(target=lambda: found.append(inbox.changed()))
        asking.start()
        asking.join(10)
    assert found == [True]
