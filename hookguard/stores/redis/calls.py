"""What both stores say to Redis, and how they read what it answers; no input or output happens here."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

from redis import exceptions

from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey

__all__ = ["CAPABILITIES", "Call", "Calls", "ambiguous", "read_claim", "remarks", "translated", "unbounded"]

# A failover may lose what the old server had not yet passed on, and so does a restart without AOF.
CAPABILITIES = Capabilities(durable=True, shared=True, transactional=False, may_forget=True, clock="server", blocking=True)


class Script(NamedTuple):
    """A Lua script and the digest that Redis knows it by."""

    text: str
    digest: str


def _script(name: str) -> Script:
    folder = files(__package__) / "scripts"
    text = "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("now", name))
    # Redis names scripts by SHA-1; nothing is secured by it.
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


_CLAIM, _COMPLETE, _RELEASE, _EXTEND = map(_script, ("claim", "complete", "release", "extend"))


class Call(NamedTuple):
    """One script, run on one key: the whole of an operation, in one round trip."""

    script: Script
    arguments: tuple[Any, ...]  #: the key, then what the script calls ARGV


class Calls:
    """Makes the call for each operation of the contract."""

    def __init__(self, prefix: str, clock: Callable[[], float] | None) -> None:
        if not prefix or not prefix.isascii() or not prefix.isprintable() or " " in prefix:
            raise ConfigurationError(f"prefix is {prefix!r}: give printable ASCII, such as 'hookguard'")
        self._prefix = prefix
        self._clock = clock

    def key(self, key: StoreKey) -> bytes:
        """The name of the event's hash. The scope is escaped, so that no two keys have one name."""
        return f"{self._prefix}:{quote(key.scope, safe='/', errors='surrogatepass')}:{key.id}".encode("utf-8", "surrogatepass")

    def claim(self, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Call:
        """Ask for the event."""
        return self._call(_CLAIM, key, token, fingerprint, _microseconds(lease), _microseconds(retention))

    def complete(self, key: StoreKey, token: bytes, retention: float, reply: bytes | None) -> Call:
        """Remember the event as done."""
        return self._call(_COMPLETE, key, token, _microseconds(retention), *(() if reply is None else (reply,)))

    def release(self, key: StoreKey, token: bytes) -> Call:
        """Give the event back."""
        return self._call(_RELEASE, key, token)

    def extend(self, key: StoreKey, token: bytes, lease: float) -> Call:
        """Hold the claim longer."""
        return self._call(_EXTEND, key, token, _microseconds(lease))

    def _call(self, script: Script, key: StoreKey, *arguments: bytes | int) -> Call:
        now = "" if self._clock is None else _microseconds(self._clock())
        return Call(script, (self.key(key), now, *arguments))


def read_claim(answer: list[Any]) -> Claim:
    """Read what ``claim.lua`` answers."""
    status, attempt, left, same, *reply = answer
    return Claim(ClaimStatus(status), attempt, left / 1e6, bool(same), reply[0] if reply else None)


def ambiguous(error: Exception) -> bool:
    """Whether the server may have done what was asked although no answer came, so that asking again may help."""
    return isinstance(error, (exceptions.TimeoutError, exceptions.ConnectionError, OSError)) and not isinstance(
        error, (exceptions.AuthenticationError, exceptions.BusyLoadingError, exceptions.MaxConnectionsError)
    )


def translated(error: Exception) -> StoreUnavailable | StoreMisconfigured:
    """Say in our errors what redis-py says. Whatever it is, it is no answer."""
    why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, (exceptions.AuthenticationError, exceptions.NoPermissionError)):
        return StoreMisconfigured(f"Redis does not let this user in ({why}): set the user and the password in the store's URL")
    if "WRONGTYPE" in str(error):
        return StoreMisconfigured(f"another program keeps something else under the event's key ({why}): choose another prefix")
    return StoreUnavailable(f"Redis cannot answer ({why})")


def unbounded(options: dict[str, Any], timeout: float) -> str:
    """Say what in a client's options lets a call take longer than ``timeout`` seconds; empty when nothing does."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        given = options.get(name) or options.get("socket_timeout")
        if not isinstance(given, (int, float)) or not 0 < given <= timeout:
            return f"{name} is {given!r}: give seconds, at most {timeout:g}"
    retries = getattr(options.get("retry"), "get_retries", lambda: 0)()
    if retries or options.get("retry_on_timeout"):
        return "it tries again by itself: give retry=Retry(NoBackoff(), 0), and leave retry_on_timeout out"
    return ""


def remarks(memory: dict[str, Any], persistence: dict[str, Any], offset: float) -> list[str]:
    """Return what is worth knowing of a server, from its INFO; StoreMisconfigured when it evicts."""
    policy = memory.get("maxmemory_policy", "")
    if policy not in ("", "noeviction"):
        raise StoreMisconfigured(
            f"this Redis evicts (maxmemory-policy is {policy}): when its memory is full it would forget events that were handled,"
            " and they would run again. Set maxmemory-policy to noeviction, or use another Redis for hookguard"
        )
    found = []
    if not policy:
        found.append("this Redis does not say whether it evicts: see to it that its maxmemory-policy is noeviction")
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "this Redis keeps no append-only file, so a restart forgets which events were handled: set appendonly to yes"
        )
    if abs(offset) > 5:
        side = "ahead of" if offset > 0 else "behind"
        found.append(f"the server's clock, which judges leases, is {abs(offset):.0f} s {side} this host's")
    return found


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
