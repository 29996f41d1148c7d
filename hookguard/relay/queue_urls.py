"""The URLs of queues: which server, and where on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from hookguard.errors import ConfigurationError
from hookguard.privacy.shown import shown_url

__all__ = ["Route", "Subject", "read_route", "read_subject"]


@dataclass(frozen=True, slots=True)
class Route:
    """Where messages go on a server."""

    server: str = field(repr=False)  #: the URL with its vhost only, and a password
    exchange: str  #: empty for the default exchange, whose routing key is a queue's name
    key: str | None  #: None: the event's type


def read_route(url: str) -> Route:
    """Read ``amqps://user:password@host/vhost/exchange/routing.key``; ConfigurationError if the exchange is missing."""
    parts = _split(url)
    vhost, *rest = parts.path.removeprefix("/").split("/")
    if not parts.hostname or not 1 <= len(rest) <= 2 or not any(rest):
        raise ConfigurationError(
            f"{shown_url(url)!r} names no exchange: write amqps://host/vhost/exchange, or /vhost/exchange/routing.key, or"
            " /vhost//queue; the usual vhost is %2F"
        )
    server = parts._replace(path=f"/{vhost}").geturl()
    return Route(server, unquote(rest[0]), unquote(rest[1]) if len(rest) == 2 else None)


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject on a server."""

    server: str = field(repr=False)  #: the URL without the subject, with a password
    subject: str


def read_subject(url: str) -> Subject:
    """Read ``nats://user:password@host/subject``; ConfigurationError if the subject is missing or has wildcards."""
    parts = _split(url)
    subject = unquote(parts.path.removeprefix("/"))
    if not parts.hostname or not subject or any(each in "*> \t/" or not each.isprintable() for each in subject):
        raise ConfigurationError(f"{shown_url(url)!r} names no subject: write nats://host/hooks.stripe, without wildcards")
    return Subject(parts._replace(path="").geturl(), subject)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"{shown_url(url)!r} is not a URL: check its host and port") from None
    return parts
