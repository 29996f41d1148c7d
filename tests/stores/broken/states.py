"""Faults in the states of an event."""

from broken.rows import DONE, IN_PROGRESS, RELEASED, Broken

from hookguard import ClaimStatus


class DeletesOnRelease(Broken):
    def release(self, key, *, token):
        released = super().release(key, token=token)
        if released:
            self.forget(key)
        return released


class DoneIsTakenOver(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        if row and row.state == DONE and row.lease_until <= self._clock():
            row.state = RELEASED
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class DoneMayBeReleased(Broken):
    def release(self, key, *, token):
        row = self.alive(key)
        if row and row.state == DONE and row.token == token:
            row.state = IN_PROGRESS
        return super().release(key, token=token)


class DuplicateReadsAsInProgress(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        return claim._replace(status=ClaimStatus.IN_PROGRESS) if claim.status == ClaimStatus.DONE else claim


class InProgressReadsAsDone(Broken):
    """Takes every conflict for a duplicate: the event is lost when the first worker dies."""

    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        return claim._replace(status=ClaimStatus.DONE) if claim.status == ClaimStatus.IN_PROGRESS else claim


class MarkedAtTheClaim(Broken):
    """Mark first: done before it was run."""

    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            super().complete(key, token=token, retention=retention)
        return claim


class CompletingAgainIsFalse(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.state == DONE:
            return False
        return super().complete(key, token=token, retention=retention, reply=reply)


class CompletesWhatItNeverSaw(Broken):
    def complete(self, key, *, token, retention, reply=None):
        if self.alive(key) is None:
            self.claim(key, token=token, fingerprint=b"", lease=1, retention=retention)
        return super().complete(key, token=token, retention=retention, reply=reply)


class AttemptsStartAnew(Broken):
    def release(self, key, *, token):
        released = super().release(key, token=token)
        if released:
            self.row(key).attempt = 0
        return released


class AttemptsCountQuestions(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.IN_PROGRESS:
            self.row(key).attempt += 1
        return claim
