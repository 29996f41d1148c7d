"""Only the token that holds a claim may settle it."""

from broken.rows import IN_PROGRESS, Broken

from hookguard import ClaimStatus
from hookguard.store import Claim


class NoTokenAtComplete(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.alive(key)
        return super().complete(key, token=row.token if row else token, retention=retention, reply=reply)


class NoTokenAtRelease(Broken):
    def release(self, key, *, token):
        row = self.alive(key)
        return super().release(key, token=row.token if row else token)


class NoTokenAtExtend(Broken):
    def extend(self, key, *, token, lease):
        row = self.alive(key)
        return super().extend(key, token=row.token if row else token, lease=lease)


class TokensCompareTheirBeginning(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.alive(key)
        if row and row.token[:8] == token[:8]:
            token = row.token
        return super().complete(key, token=token, retention=retention, reply=reply)


class CountedTokens(Broken):
    """Tokens are the attempt's number, and release deletes the row: ABA."""

    def __init__(self, **options):
        super().__init__(**options)
        self.mine = {}

    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        counted = bytes([row.attempt + 1 if row else 1]) * 16
        if row and self.mine.get(token) == row.token:
            counted = row.token
        claim = super().claim(key, token=counted, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            self.mine[token] = counted
        return claim

    def complete(self, key, *, token, retention, reply=None):
        return super().complete(key, token=self.mine.get(token, b""), retention=retention, reply=reply)

    def release(self, key, *, token):
        released = super().release(key, token=self.mine.get(token, b""))
        if released:
            self.forget(key)
        return released

    def extend(self, key, *, token, lease):
        return super().extend(key, token=self.mine.get(token, b""), lease=lease)


class SameTokenIsRejected(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        if row and row.state == IN_PROGRESS and row.lease_until > self._clock():
            return Claim(ClaimStatus.IN_PROGRESS, row.attempt, row.lease_until - self._clock(), row.fingerprint == fingerprint)
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class SameTokenProlongsTheLease(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            self.extend(key, token=token, lease=lease)
        return claim
