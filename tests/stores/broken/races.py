"""Faults that show only if another worker comes in between."""

import time

from broken.rows import IN_PROGRESS, Broken

from hookguard import ClaimStatus
from hookguard.store import Claim


class ReadThenWrite(Broken):
    """Looks in one step and writes in another: two workers may both see nothing."""

    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        fresh = row is None or (row.state == IN_PROGRESS and row.lease_until <= self._clock())
        time.sleep(0.005)
        if fresh and row is None:
            self._rows.pop(key, None)
        elif fresh:
            row.lease_until = self._clock()
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class TakesOverInTwoSteps(Broken):
    """The lease is compared in one step and taken in another: two workers may both find it run out."""

    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        lapsed = row is not None and row.state == IN_PROGRESS and row.lease_until <= self._clock()
        if not lapsed:
            return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        time.sleep(0.05)  # long enough for others to come in between on a busy machine, too
        row.token, row.lease_until = token, self._clock() + lease
        row.attempt += 1
        return Claim(ClaimStatus.ACQUIRED, row.attempt, 0.0, row.fingerprint == fingerprint)
