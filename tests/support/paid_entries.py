"""Entries of the endpoint ``pay``, made without a delivery, and one life of three of them."""

import time

from hookguard.inbox.contract import EntryState, Kept, Lane, PutStatus
from hookguard.inbox.settings import InboxSettings
from hookguard.store import StoreKey

LANE, SETTINGS = Lane("pay"), InboxSettings()


def kept(number, **changes):
    usual = Kept(key=StoreKey("s", str(number)), endpoint="pay", event_type="paid", head='{"v":1}', body=b"{}", retention=60)
    return usual._replace(**changes)


def take(inbox, limit=10, lease=30.0):
    return inbox.take(LANE, limit=limit, lease=lease, settings=SETTINGS)


def states(inbox):
    return {entry.event_id: entry.state for entry in inbox.find(limit=1000)}


def live(inbox):
    """Put, take, crash, release, complete, by the server's clock."""
    before = time.time()
    assert [put.status for put in inbox.put([kept(1), kept(2), kept(3)])] == [PutStatus.STORED] * 3
    assert inbox.due([Lane("other"), LANE])
    (first,) = take(inbox, 1, lease=0.02)
    assert before - 5 < first.received_at < time.time() + 5
    time.sleep(0.05)
    second, third, again = take(inbox, 3)
    # The end of its lease is when the first was due again.
    assert (again.kept.key.id, again.crashes, second.kept.key.id) == ("1", 1, "2")
    assert not inbox.complete(first.key, token=first.token, settings=SETTINGS)
    assert inbox.complete(again.key, token=again.token, settings=InboxSettings(keep=0))
    assert inbox.release(second.key, token=second.token, after=60, reason="no", settings=SETTINGS)
    assert inbox.extend(third.key, token=third.token, lease=60)
    assert inbox.give_up(third.key, token=third.token, reason="gone", settings=SETTINGS)
    assert not inbox.due([LANE])
    assert take(inbox) == []
    assert states(inbox) == {"1": EntryState.DONE, "2": EntryState.WAITING, "3": EntryState.DEAD}
    (waiting,) = (count for count in inbox.counts() if count.state == EntryState.WAITING)
    assert waiting.overdue == 0.0
    assert 50 < waiting.oldest_due - time.time() < 70
    assert inbox.prune(limit=10) == 1
    assert [put.status for put in inbox.put([kept(1), kept(2), kept(3)])] == [
        PutStatus.KNOWN,
        PutStatus.KNOWN,
        PutStatus.AGAIN,
    ]
    assert inbox.rerun([third.key], reason="mended", by="anna") == 0
    assert inbox.drop([third.key, second.key], reason="a test", by="anna") == 2
