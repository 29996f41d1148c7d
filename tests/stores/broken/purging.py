"""Faults in deleting expired rows."""

from broken.rows import IN_PROGRESS, Broken


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


class ForgetsNothing(Broken):
    def forget(self, key):
        return self.row(key) is not None
