"""Faults in remembering the delivery and its reply."""

from broken.rows import Broken

from hookguard import ClaimStatus


class LastFingerprintStays(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            self.row(key).fingerprint = fingerprint
        return claim


class FingerprintLostAtCompletion(Broken):
    def complete(self, key, *, token, retention, reply=None):
        done = super().complete(key, token=token, retention=retention, reply=reply)
        if done:
            self.row(key).fingerprint = b""
        return done


class FingerprintNeverCompared(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        return claim._replace(same_fingerprint=True)


class DropsTheReply(Broken):
    def complete(self, key, *, token, retention, reply=None):
        return super().complete(key, token=token, retention=retention, reply=None)


class KeepsAnOldReply(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.row(key)
        reply = row.reply if row else None
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if reply is not None:
            self.row(key).reply = reply
            claim = claim._replace(reply=reply)
        return claim
