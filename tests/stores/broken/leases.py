"""How long a claim holds."""

from broken.rows import IN_PROGRESS, RELEASED, Broken

from hookguard import ClaimStatus
from hookguard.store import Claim


class LeaseNotCompared(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        if row and row.state == IN_PROGRESS and row.token != token:
            return Claim(ClaimStatus.IN_PROGRESS, row.attempt, max(row.lease_until - self._clock(), 0.0))
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class NoLeaseAtAll(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        if row and row.state == IN_PROGRESS:
            row.lease_until = self._clock()
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class AskingProlongsTheLease(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.IN_PROGRESS:
            self.row(key).lease_until = self._clock() + lease
        return claim


class VanishesWithTheLease(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            self.row(key).expires_at = self.row(key).lease_until
        return claim


class WrongRetryAfter(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        return claim._replace(retry_after=lease) if claim.status == ClaimStatus.IN_PROGRESS else claim


class ExtendShortensRetention(Broken):
    def extend(self, key, *, token, lease):
        held = super().extend(key, token=token, lease=lease)
        if held:
            self.row(key).expires_at = self.row(key).lease_until
        return held


class ExtendCountsFromTheOldEnd(Broken):
    def extend(self, key, *, token, lease):
        row = self.row(key)
        ends = row.lease_until if row else 0
        held = super().extend(key, token=token, lease=lease)
        if held:
            row.lease_until = ends + lease
        return held


class ExtendsTheReleased(Broken):
    def extend(self, key, *, token, lease):
        row = self.alive(key)
        if row and row.state == RELEASED and row.token == token:
            row.state = IN_PROGRESS
        return super().extend(key, token=token, lease=lease)


class CompletesOnlyWithinTheLease(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.state == IN_PROGRESS and row.lease_until <= self._clock():
            return False
        return super().complete(key, token=token, retention=retention, reply=reply)
