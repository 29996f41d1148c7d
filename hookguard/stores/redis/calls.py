"""What both stores say to Redis, and how they read what it answers; no input or output happens here."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from redis import exceptions

from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey

__all__ = [
    "CAPABILITIES",
    "Call",
    "Calls",
    "ambiguous",
    "on_trial",
    "read_claim",
    "read_yes",
    "remarks",
    "translated",
    "unbounded",
]

# A failover may lose what the old server had not yet passed on, and so does a restart without AOF.
CAPABILITIES = Capabilities(durable=True, shared=True, transactional=False, may_forget=True, clock="server", blocking=True)

#: Seconds between the clocks that are worth a word.
OFFSET: Final = 1.0


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
        """The name of the event's hash. Both parts are escaped, so that no two keys have one name, whatever the prefixes."""
        return ":".join((self._prefix, *(quote(part, safe="/", errors="surrogatepass") for part in key))).encode()

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


def on_trial() -> tuple[StoreKey, bytes]:
    """Return an event and a token that nobody else has, to try a server with."""
    return StoreKey("hookguard/check", secrets.token_hex(16)), secrets.token_bytes(16)


def read_claim(answer: list[Any]) -> Claim:
    """Read what ``claim.lua`` answers."""
    status, attempt, left, same, *reply = answer
    return Claim(ClaimStatus(status), attempt, left / 1e6, read_yes(same), reply[0] if reply else None)


def read_yes(answer: int) -> bool:
    """Read what the other scripts answer, 1 or 0; anything else raises, as it is the answer to something else."""
    return (False, True)[(0, 1).index(answer)]


def ambiguous(error: Exception) -> bool:
    """Whether the server may have done what was asked although no answer came, so that asking again may help."""
    return isinstance(error, (exceptions.TimeoutError, exceptions.ConnectionError, OSError)) and not isinstance(
        error, (exceptions.AuthenticationError, exceptions.BusyLoadingError, exceptions.MaxConnectionsError)
    )


def translated(error: Exception) -> StoreUnavailable | StoreMisconfigured:
    """Say in our errors what redis-py says. Whatever it is, it is no answer."""
    why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, exceptions.AuthenticationError):
        return StoreMisconfigured(f"Redis does not let this user in ({why}): set the user and the password in the store's URL")
    if isinstance(error, exceptions.NoPermissionError):
        return StoreMisconfigured(
            f"Redis does not let this user do what claims need ({why}): allow it the keys under the store's prefix and the"
            " commands of the page on the Redis store"
        )
    # Before redis-py 6 only its client for clusters knew these by class.
    if isinstance(error, exceptions.AskError) or str(error).startswith(("MOVED ", "ASK ")):
        return StoreMisconfigured(
            f"this Redis is a node of a cluster, and the event belongs to another ({why}): give the address of a Redis that is"
            " no cluster, or of a proxy that speaks for the whole cluster"
        )
    if "WRONGTYPE" in str(error):
        return StoreMisconfigured(f"another program keeps something else under the event's key ({why}): choose another prefix")
    return StoreUnavailable(f"Redis cannot answer ({why})")


def unbounded(options: dict[str, Any], timeout: float) -> str:
    """Say what in a client's options lets a call wait longer than ``timeout`` seconds; empty when nothing does."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        given = options.get(name) or options.get("socket_timeout")
        if not isinstance(given, (int, float)) or not 0 < given <= timeout:
            return f"{name} is {given!r}: give seconds, at most {timeout:g}"
    # Before redis-py 6 a Retry did not say how often. Told of errors alone, redis-py tries once again.
    retry = options.get("retry")
    by_itself = options.get("retry_on_timeout") or options.get("retry_on_error") if retry is None else retry._retries
    if by_itself:
        return "it tries again by itself: give retry=Retry(NoBackoff(), 0)"
    return ""


def remarks(info: dict[str, Any], offset: float) -> list[str]:
    """Return what is worth knowing of a server from its INFO (empty if it may not be asked); StoreMisconfigured if it evicts."""
    policy = info.get("maxmemory_policy", "")
    if policy not in ("", "noeviction"):
        raise StoreMisconfigured(
            f"this Redis evicts (maxmemory-policy is {policy}): when its memory is full it would forget events that were handled,"
            " and they would run again. Set maxmemory-policy to noeviction, or use another Redis for hookguard"
        )
    found = []
    if not policy:
        found.append(
            "this Redis does not say whether it evicts, or not to this user: see to it that its maxmemory-policy is noeviction"
        )
    if info.get("aof_enabled") == 0:
        found.append(
            "this Redis keeps no append-only file, so a restart forgets which events were handled: set appendonly to yes"
        )
    if abs(offset) >= OFFSET:
        found.append(
            f"the clock of this Redis is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this process's: leases are"
            " judged by the former, the timestamps of deliveries by the latter; synchronise both"
        )
    return found


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
