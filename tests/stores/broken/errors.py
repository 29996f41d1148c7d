"""A store raises StoreUnavailable if it cannot know, and nothing else."""

from contextlib import contextmanager

from broken.rows import Broken

from hookguard import ClaimStatus, StoreUnavailable
from hookguard.store import Claim


class Failing:
    """The right store in memory, which can be put out of reach; the first to ask of each operation."""

    down = False

    @contextmanager
    def outage(self):
        self.down = True
        yield
        self.down = False

    def reach(self):
        if self.down:
            raise StoreUnavailable("connection refused")

    def claim(self, key, **asked):
        self.reach()
        return super().claim(key, **asked)

    def complete(self, key, **asked):
        self.reach()
        return super().complete(key, **asked)

    def release(self, key, **asked):
        self.reach()
        return super().release(key, **asked)

    def extend(self, key, **asked):
        self.reach()
        return super().extend(key, **asked)


class Right(Failing, Broken):
    """Nothing is wrong with this one."""


class AnswersAtTheClaim(Failing, Broken):
    """Answers a claim it could not make; which way, its subclasses say."""

    answer = ClaimStatus.DONE

    def claim(self, key, **asked):
        try:
            return super().claim(key, **asked)
        except StoreUnavailable:
            return Claim(self.answer)


class ErrorIsADuplicate(AnswersAtTheClaim):
    """The event is acknowledged and lost."""


class ErrorIsInProgress(AnswersAtTheClaim):
    answer = ClaimStatus.IN_PROGRESS


class ErrorIsAcquired(AnswersAtTheClaim):
    """Each delivery runs for as long as the outage lasts."""

    answer = ClaimStatus.ACQUIRED


class ErrorIsCompleted(Failing, Broken):
    def complete(self, key, **asked):
        try:
            return super().complete(key, **asked)
        except StoreUnavailable:
            return True


class ErrorIsALostLease(Failing, Broken):
    def complete(self, key, **asked):
        try:
            return super().complete(key, **asked)
        except StoreUnavailable:
            return False


class ErrorIsReleased(Failing, Broken):
    def release(self, key, **asked):
        try:
            return super().release(key, **asked)
        except StoreUnavailable:
            return True


class ErrorIsExtended(Failing, Broken):
    def extend(self, key, **asked):
        try:
            return super().extend(key, **asked)
        except StoreUnavailable:
            return True


class DriversOwnError(Failing, Broken):
    """Lets the driver's error through, which no guard expects."""

    def reach(self):
        if self.down:
            raise ConnectionRefusedError


class ForgetsInAnOutage(Failing, Broken):
    """Starts empty after an outage, like a cache."""

    def reach(self):
        if self.down:
            self._rows.clear()
        super().reach()
