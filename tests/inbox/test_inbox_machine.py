"""The inbox's state machine: not one answer and not one state differs from the model.

``HOOKGUARD_STEPS`` says how many steps each inbox is taken through, 30,000 in CI and 2,000 for a look. Inboxes with a mistake are in
``test_mistakes_in_storing.py``.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck
from walking import walk

from hookguard import SQLiteStore
from hookguard.testing.inbox_machine import inbox_machine

STEPS = int(os.environ.get("HOOKGUARD_STEPS", "2000"))
#: Longer examples are cut by Hypothesis, which bounds what one may draw.
STEPS_OF_ONE = 100


class Reused:
    """A store whose file is used again by the next example, emptied."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def close(self):
        """Not yet."""


@contextmanager
def sqlite():
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder, "hooks.sqlite3"))
        inbox = store.inbox()
        connection = inbox._database.here().connection
        connection.execute("PRAGMA synchronous = OFF")

        def make(clock):
            connection.execute("DELETE FROM hookguard_claim")
            connection.execute("DELETE FROM hookguard_inbox")
            store._clock = inbox._operations.clock = clock
            return Reused(store)

        yield make
        store.close()


def walk_inbox(make, steps, **options):
    """Take the inboxes through at least so many steps; return how many it were."""
    # A busy machine is slow, and proves nothing about the inbox.
    slow = [HealthCheck.too_slow]
    return walk(inbox_machine(make), steps, steps_of_one=STEPS_OF_ONE, suppress_health_check=slow, **options)


def test_no_answer_differs_from_the_model():
    with sqlite() as make:
        assert walk_inbox(make, STEPS) >= STEPS > 0
