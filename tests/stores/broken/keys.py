"""Which events are the same."""

from broken.rows import Broken

from hookguard import StoreKey


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
