"""Waiting for what another thread or process does."""

import threading
import time

#: Seconds of a lease that is over before the next question to its store: nothing has to wait for that.
SOON_OVER = 0.000_001


def until(condition, seconds=60.0):
    """Wait for a condition; its last answer if it never holds."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def wait_for_autopsies():
    """Wait until no autopsy runs in this process."""
    for thread in threading.enumerate():
        if thread.name == "hookguard-autopsy":
            thread.join(60)
            assert not thread.is_alive()
