"""How long a completed event is remembered."""

from broken.rows import Broken

from hookguard import ClaimStatus


class DuplicatesProlongTheRetention(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.DONE:
            self.row(key).expires_at = self._clock() + retention
        return claim


class RetentionFromTheClaim(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        expiry = row.expires_at if row else 0
        done = super().complete(key, token=token, retention=retention, reply=reply)
        if done:
            row.expires_at = expiry - 60
        return done


class CompletingAgainProlongs(Broken):
    def complete(self, key, *, token, retention, reply=None):
        done = super().complete(key, token=token, retention=retention, reply=reply)
        if done:
            self.row(key).expires_at = self._clock() + retention
        return done


class CompletesWhatExpired(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.token == token:
            row.expires_at = self._clock() + retention
        return super().complete(key, token=token, retention=retention, reply=reply)
