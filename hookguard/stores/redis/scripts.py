"""The scripts that both Redis stores run, and the meaning of the answers and errors. Does no input or output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from redis import exceptions

from hookguard.errors import ConfigurationError, StoreMisconfigured, StoreUnavailable
from hookguard.record import Record
from hookguard.store import Capabilities, Claim, ClaimStatus, StoreKey
from hookguard.stores.fitness import Problem, check_clock

__all__ = [
    "ALLOW_OOM",
    "CAPABILITIES",
    "SECTIONS",
    "Call",
    "Calls",
    "Script",
    "ambiguous",
    "check_info",
    "demoted",
    "microseconds",
    "read_claim",
    "read_yes",
    "script",
    "translated",
    "unbounded",
]

# A failover may lose writes that the old server had not yet replicated. So may a restart without AOF.
CAPABILITIES = Capabilities(durable=True, shared=True, transactional=False, may_forget=True, clock="server", blocking=True)

#: The sections of INFO that a check reads.
SECTIONS: Final = ("memory", "persistence", "replication", "cluster")

#: The first line of the scripts for claims that are already held: a server runs them even if its memory is full. They need
#: almost no memory, and without them no event in progress could be completed. Redis 7 and Valkey know the flag: https://redis.io/docs/latest/develop/programmability/lua-api/#script_flags
ALLOW_OOM: Final = "#!lua flags=allow-oom\n"


class Script(NamedTuple):
    """A Lua script and its digest in Redis. ``unflagged`` is the same script without the line of flags."""

    text: str
    digest: str
    unflagged: Script | None = None


def script(*names: str, flags: str = "") -> Script:
    """Return the script made of ``now.lua`` and these files, in this order."""
    folder = files("hookguard.stores.redis") / "lua"
    unflagged = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in ("now", *names))
    text = flags + unflagged
    # Redis names scripts by SHA-1. Nothing depends on its security.
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest(), script(*names) if flags else None)


_CLAIM = script("claim")
_COMPLETE, _RELEASE, _EXTEND = (script(name, flags=ALLOW_OOM) for name in ("complete", "release", "extend"))
_FORGET = script("inbox/entries", "inbox/forget", flags=ALLOW_OOM)


@dataclass(frozen=True, slots=True, repr=False)
class Call(Record):
    """One script: a whole operation in one round trip."""

    script: Script
    arguments: tuple[Any, ...]  #: the keys, then the script's ARGV
    keys: int = 1  #: how many keys there are


class Calls:
    """Makes the call for each operation of the contract."""

    def __init__(self, prefix: str, clock: Callable[[], float] | None) -> None:
        if not prefix or not prefix.isascii() or not prefix.isprintable() or " " in prefix:
            raise ConfigurationError(f"prefix is {prefix!r}: give printable ASCII, such as 'hookguard'")
        self.prefix = prefix
        #: The beginning of the names of the inbox. An event's name has two parts behind the prefix, and these have one, or three.
        self.base = f"{prefix}:inbox"
        self._clock = clock
        self._flags = True

    def without_flags(self, call: Call, error: Exception) -> Call | None:
        """Return the call without its script's flags if the server does not know flags. Later calls then have none."""
        said = str(error).lower()
        if call.script.unflagged is None or not any(word in said for word in ("compil", "shebang", "flag", "unexpected symbol")):
            return None
        self._flags = False
        return call._replace(script=call.script.unflagged)

    def key(self, key: StoreKey) -> bytes:
        """Return the name of the event's hash. Both parts are escaped, so that no two events share a name under any prefix."""
        return ":".join((self.prefix, *(quote(part, safe="/", errors="surrogatepass") for part in key))).encode()

    def event(self, name: bytes) -> StoreKey:
        """Return the event of a name that ``key`` made."""
        scope, id = name.decode()[len(self.prefix) + 1 :].split(":")  # noqa: A001 - the field's own word
        return StoreKey(unquote(scope, errors="surrogatepass"), unquote(id, errors="surrogatepass"))

    def claim(self, key: StoreKey, token: bytes, fingerprint: bytes, lease: float, retention: float) -> Call:
        """Claim the event."""
        return self.make(_CLAIM, [self.key(key)], token, fingerprint, microseconds(lease), microseconds(retention))

    def complete(self, key: StoreKey, token: bytes, retention: float, reply: bytes | None) -> Call:
        """Mark the event as done."""
        return self.make(_COMPLETE, [self.key(key)], token, microseconds(retention), *(() if reply is None else (reply,)))

    def release(self, key: StoreKey, token: bytes) -> Call:
        """Release the claim: the next delivery runs the event."""
        return self.make(_RELEASE, [self.key(key)], token)

    def extend(self, key: StoreKey, token: bytes, lease: float) -> Call:
        """Extend the claim."""
        return self.make(_EXTEND, [self.key(key)], token, microseconds(lease))

    def forget(self, key: StoreKey) -> Call:
        """Forget the event, with its done and dead entries in the inbox."""
        return self.make(_FORGET, [self.key(key)], self.base, key.idempotency_key)

    def make(self, script: Script, keys: Sequence[bytes | str], *arguments: bytes | int | str) -> Call:
        """Make a call of a script on these keys."""
        now = "" if self._clock is None else microseconds(self._clock())
        if script.unflagged is not None and not self._flags:
            script = script.unflagged
        return Call(script, (*keys, now, *arguments), len(keys))


def read_claim(answer: list[Any]) -> Claim:
    """Return the Claim in the answer of ``claim.lua``."""
    status, attempt, left, same, *reply = answer
    return Claim(ClaimStatus(status), attempt, left / 1e6, read_yes(same), reply[0] if reply else None)


def read_yes(answer: int) -> bool:
    """Return the boolean in the answer of the other scripts, 1 or 0. Anything else raises: it answers another question."""
    return (False, True)[(0, 1).index(answer)]


def ambiguous(error: Exception) -> bool:
    """Return whether the server may have run the script although no answer came, so that a retry may help."""
    return isinstance(error, (exceptions.TimeoutError, exceptions.ConnectionError, OSError)) and not (
        isinstance(error, (exceptions.AuthenticationError, exceptions.BusyLoadingError)) or exhausted(error)
    )


def exhausted(error: Exception) -> bool:
    """Return whether the client's pool had no free connection, so that the server was not asked."""
    # redis-py's BlockingConnectionPool has no error class for it.
    return isinstance(error, exceptions.MaxConnectionsError) or str(error) in ("No connection available.", "Too many connections")


def demoted(error: Exception) -> bool:
    """Return whether the server rejected a write because it is now a replica. A new connection may find the primary."""
    # ReadOnlyError comes from a script; one with flags is not even run. A replica without its master raises MasterDownError.
    return isinstance(error, (exceptions.ReadOnlyError, exceptions.MasterDownError)) or "READONLY" in str(error)


def translated(error: Exception) -> StoreUnavailable | StoreMisconfigured:
    """Return our error for one of redis-py's. No error counts as an answer."""
    why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if exhausted(error):
        return StoreUnavailable(
            f"all connections of the store's pool are in use ({why}); Redis itself may be up: give the store a larger pool_size,"
            " or give a client of your own a BlockingConnectionPool"
        )
    if isinstance(error, exceptions.AuthenticationError):
        return StoreMisconfigured(f"Redis rejects this user ({why}): set the user and the password in the store's URL")
    # Redis 6 and 7.0 have no error class for a command inside of a script.
    if isinstance(error, exceptions.NoPermissionError) or "The user executing the script can't" in str(error):
        return StoreMisconfigured(
            f"this Redis user lacks a permission that the store needs ({why}): allow it the keys under the store's prefix and the"
            " commands that the page on the Redis store lists"
        )
    # Before redis-py 6 only its client for clusters knew these by class.
    if isinstance(error, exceptions.AskError) or str(error).startswith(("MOVED ", "ASK ")):
        return StoreMisconfigured(
            f"this Redis is a node of a cluster, and the event belongs to another node ({why}): give the address of a Redis"
            " outside of a cluster, or of a proxy for the whole cluster"
        )
    # redis-py has a class for this one, whose text says less.
    if isinstance(error, exceptions.ClusterCrossSlotError) or "CROSSSLOT" in str(error):
        return StoreMisconfigured(
            f"this Redis is a node of a cluster, and an inbox needs all of its keys on one node ({why}): put the prefix into"
            " braces, as in prefix='{hookguard}'"
        )
    if "WRONGTYPE" in str(error):
        return StoreMisconfigured(f"another program uses the event's key for other data ({why}): choose another prefix")
    return StoreUnavailable(f"Redis cannot answer ({why})")


def unbounded(options: dict[str, Any], timeout: float) -> str:
    """Return the option of a client that lets a call wait longer than ``timeout`` seconds; empty if there is no such option."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        given = options.get(name) or options.get("socket_timeout")
        if not isinstance(given, (int, float)) or not 0 < given <= timeout:
            return f"{name} is {given!r}: give seconds, at most {timeout:g}"
    # Before redis-py 6 a Retry had no public count. With only a list of errors, redis-py retries once.
    retry = options.get("retry")
    retries = options.get("retry_on_timeout") or options.get("retry_on_error") if retry is None else retry._retries
    if retries:
        return "it retries on its own: give retry=Retry(NoBackoff(), 0)"
    return ""


def check_info(info: dict[str, Any], offset: float) -> list[str]:
    """Return remarks on a server's INFO (empty if the user may not read it). Raises StoreMisconfigured if the server evicts."""
    policy = info.get("maxmemory_policy", "")
    if policy not in ("", "noeviction"):
        raise StoreMisconfigured(
            f"this Redis evicts (maxmemory-policy is {policy}): when its memory is full, it forgets events that were handled, and"
            " they run again. Set maxmemory-policy to noeviction, or use another Redis for hookguard",
            check="M6",
        )
    found = []
    if not policy:
        hidden = "this Redis does not show this user whether it evicts: make sure that its maxmemory-policy is noeviction"
        found.append(Problem(hidden, "M6"))
    if info.get("aof_enabled") == 0:
        forgets = "this Redis keeps no append-only file, so a restart forgets which events were handled: set appendonly to yes"
        found.append(Problem(forgets, "M4"))
    return [*found, *check_clock("Redis", offset)]


def microseconds(seconds: float) -> int:
    """Return the scripts' unit of time."""
    return round(seconds * 1e6)
