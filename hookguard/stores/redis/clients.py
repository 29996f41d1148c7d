"""Makes clients for the stores, and checks those that applications give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hookguard.errors import ConfigurationError
from hookguard.stores.redis.scripts import unbounded

__all__ = ["POOL_SIZE", "client_from", "fits", "number_of_connections", "timeouts", "where"]

#: The connections of one process. A script takes less than a millisecond, so a few connections serve many deliveries.
POOL_SIZE = 50


def timeouts(timeout: float) -> dict[str, float]:
    """Return a client's options for a store's timeout, in seconds. Raises ConfigurationError."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}: give seconds, more than 0")
    # Half of it, so that a lost answer leaves time for a retry on a new connection.
    return {"socket_timeout": timeout / 2, "socket_connect_timeout": timeout / 2}


def number_of_connections(pool_size: int) -> int:
    """Return the setting ``pool_size``. Raises ConfigurationError."""
    if isinstance(pool_size, bool) or not isinstance(pool_size, int) or pool_size < 1:
        raise ConfigurationError(f"pool_size is {pool_size!r}: give a number of connections, at least 1")
    return pool_size


def client_from(make: Callable[..., Any], url: str, **options: Any) -> Any:
    """Return what ``make`` makes of a URL. Raises ConfigurationError, without any part of the URL."""
    try:
        return make(url, **options)
    except ValueError:
        # The original text quotes a part of the URL, which may be a part of the password.
        raise ConfigurationError(
            "store: redis-py cannot read this URL: write redis://user:password@host:6379/0, and percent-encode special"
            " characters in the password"
        ) from None


def fits(client: Any, kind: type[Any], name: str, timeout: float) -> float:
    """Return how long the client waits for an answer. Raises ConfigurationError for an unfit client."""
    if not isinstance(client, kind):
        raise ConfigurationError(f"client is {type(client).__module__}.{type(client).__name__}: give a {name}, or use from_url")
    options = client.connection_pool.connection_kwargs
    if options.get("decode_responses"):
        raise ConfigurationError(
            "the client decodes Redis's answers, and tokens are bytes: make the client without decode_responses"
        )
    # A BlockingConnectionPool waits for a connection to become free.
    if (waits := getattr(client.connection_pool, "timeout", 0)) is None or waits > timeout:
        raise ConfigurationError(
            f"the client's pool may wait longer than the store's timeout: give its timeout at most {timeout:g}"
        )
    if why := unbounded(options, timeout):
        raise ConfigurationError(f"the client may wait longer than the store's timeout: {why}")
    return float(options["socket_timeout"])


def where(client: Any) -> str:
    """Return a client's address, without the password."""
    options = client.connection_pool.connection_kwargs
    place = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{place}/{options.get('db', 0)}"
