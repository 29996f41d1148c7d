"""Negative controls: stores that are wrong in one way each. The contract must catch every one of them."""

import threading
import time

import pytest

from hookguard import ClaimStatus, MemoryStore, StoreKey
from hookguard.store import Claim
from hookguard.testing import StoreContract

DONE, IN_PROGRESS, RELEASED = 2, 1, 0


class Broken(MemoryStore):
    """Reaches into the rows of a right store to make it wrong."""

    def row(self, key):
        return self._rows.get(key)

    def alive(self, key):
        row = self.row(key)
        return row if row is not None and row.expires_at > self._clock() else None


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


class DeletesOnRelease(Broken):
    def release(self, key, *, token):
        released = super().release(key, token=token)
        if released:
            self.forget(key)
        return released


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


class DuplicatesProlongTheRetention(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.DONE:
            self.row(key).expires_at = self._clock() + retention
        return claim


class AskingProlongsTheLease(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.IN_PROGRESS:
            self.row(key).lease_until = self._clock() + lease
        return claim


class SameTokenIsRefused(Broken):
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
    """What a store does that takes every conflict for a duplicate: the event is lost when the first worker dies."""

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


class VanishesWithTheLease(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        if claim.status == ClaimStatus.ACQUIRED:
            self.row(key).expires_at = self.row(key).lease_until
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


class CompletingAgainIsFalse(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.state == DONE:
            return False
        return super().complete(key, token=token, retention=retention, reply=reply)


class CompletesWhatExpired(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.token == token:
            row.expires_at = self._clock() + retention
        return super().complete(key, token=token, retention=retention, reply=reply)


class CompletesOnlyWithinTheLease(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.row(key)
        if row and row.state == IN_PROGRESS and row.lease_until <= self._clock():
            return False
        return super().complete(key, token=token, retention=retention, reply=reply)


class CompletesWhatItNeverSaw(Broken):
    def complete(self, key, *, token, retention, reply=None):
        if self.alive(key) is None:
            self.claim(key, token=token, fingerprint=b"", lease=1, retention=retention)
        return super().complete(key, token=token, retention=retention, reply=reply)


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


class ScopeIgnored(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey("", key.id), **arguments)

    def complete(self, key, **arguments):
        return super().complete(StoreKey("", key.id), **arguments)


class KeysJoined(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey("", key.scope + key.id), **arguments)


class KeysJoinedWithAColon(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey("", f"{key.scope}:{key.id}"), **arguments)


class CaseIgnored(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey(key.scope, key.id.lower()), **arguments)

    def complete(self, key, **arguments):
        return super().complete(StoreKey(key.scope, key.id.lower()), **arguments)


class SpacesTrimmed(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey(key.scope, key.id.strip()), **arguments)

    def complete(self, key, **arguments):
        return super().complete(StoreKey(key.scope, key.id.strip()), **arguments)


class IdsCut(Broken):
    def claim(self, key, **arguments):
        return super().claim(StoreKey(key.scope, key.id[:128]), **arguments)

    def complete(self, key, **arguments):
        return super().complete(StoreKey(key.scope, key.id[:128]), **arguments)


class PurgesWhatLives(Broken):
    def purge(self, *, limit):
        gone = [key for key, row in self._rows.items() if row.state != IN_PROGRESS][:limit]
        for key in gone:
            del self._rows[key]
        return len(gone)


class PurgesTheLapsed(Broken):
    def purge(self, *, limit):
        gone = [key for key, row in self._rows.items() if row.lease_until <= self._clock()][:limit]
        for key in gone:
            del self._rows[key]
        return len(gone)


class PurgesWithoutLimit(Broken):
    def purge(self, *, limit):
        return super().purge(limit=10**9)


class PurgesNothing(Broken):
    def purge(self, *, limit):
        return 0


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


class ForgetsNothing(Broken):
    def forget(self, key):
        return self.row(key) is not None


class ReadThenWrite(Broken):
    """Looks in one step and writes in another: two workers may both see nothing."""

    def claim(self, key, *, token, fingerprint, lease, retention):
        row = self.alive(key)
        fresh = row is None or (row.state == IN_PROGRESS and row.lease_until <= self._clock())
        time.sleep(0.001)
        if fresh and row is None:
            self._rows.pop(key, None)
        elif fresh:
            row.lease_until = self._clock()
        return super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)


class WrongRetryAfter(Broken):
    def claim(self, key, *, token, fingerprint, lease, retention):
        claim = super().claim(key, token=token, fingerprint=fingerprint, lease=lease, retention=retention)
        return claim._replace(retry_after=lease) if claim.status == ClaimStatus.IN_PROGRESS else claim


class TokensCompareTheirBeginning(Broken):
    def complete(self, key, *, token, retention, reply=None):
        row = self.alive(key)
        if row and row.token[:8] == token[:8]:
            token = row.token
        return super().complete(key, token=token, retention=retention, reply=reply)


BROKEN = sorted(Broken.__subclasses__(), key=lambda store: store.__name__)
CASES = sorted(name for name in dir(StoreContract) if name.startswith("test_"))


def _failing_cases(make_store):
    class Contract(StoreContract):
        def make_store(self, clock):
            return make_store(clock)

    failing = []
    for case in CASES:
        contract = Contract()
        contract.setup_method()
        try:
            getattr(contract, case)()
        except (AssertionError, threading.BrokenBarrierError):
            failing.append(case)
    return failing


def test_there_are_enough_of_them():
    assert len(BROKEN) >= 40


def test_the_right_store_fails_no_case():
    assert _failing_cases(lambda clock: MemoryStore(clock=clock)) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_the_contract_catches(broken):
    failing = _failing_cases(lambda clock: broken(clock=clock))
    assert failing, f"no case of the contract fails for {broken.__name__}"
