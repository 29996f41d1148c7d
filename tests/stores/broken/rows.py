"""The right store in memory, whose rows a wrong one reaches into."""

from hookguard import MemoryStore

DONE, IN_PROGRESS, RELEASED = 2, 1, 0


class Broken(MemoryStore):
    """Wrong in one way, which its subclass says."""

    def row(self, key):
        return self._rows.get(key)

    def alive(self, key):
        row = self.row(key)
        return row if row is not None and row.expires_at > self._clock() else None
