"""A named place where deliveries arrive: a verifier and everything that is decided about it in advance."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, Union
from urllib.parse import quote

from hookguard.delivery import Delivery
from hookguard.errors import (
    AddressNotAllowed,
    BodyTooLarge,
    ConfigurationError,
    InsecureTransport,
    LengthRequired,
    MalformedHeader,
    MethodNotAllowed,
    MissingSignature,
    TruncatedBody,
    UnsupportedEncoding,
)
from hookguard.event import Event
from hookguard.networks import Networks
from hookguard.outcome import Observer
from hookguard.preset import Identity
from hookguard.store import StoreKey
from hookguard.verifier import Verifier
from hookguard.workers import declared_timeout

__all__ = ["MIB", "Endpoint"]

MIB = 1 << 20

#: What a known id with another body is: an honest retry that changed a little, or a reason to refuse.
OnReusedId = Literal["duplicate", "reject"]

#: What to do with an event while the store is down: turn it away for the provider to try again, or run it all the same.
OnOutage = Literal["closed", "open"]

#: Takes a secret that a provider sends with its first delivery: True keeps it.
AcceptSecret = Callable[[str, Delivery], Union[bool, Awaitable[bool]]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_URL = re.compile(r"https?://[^/?#\s]+[^\s]*")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


class Endpoint:
    """A verifier under a name, with its limits. Everything is checked here, when the application starts.

    - ``name``: part of every store key and log line; the preset's name by default.
    - ``max_body``: bytes, 1 MiB by default; more is refused while it is being read.
    - ``require_https``: refuse what the framework does not vouch for as HTTPS.
    - ``allow_from``: networks that may send; only the address the framework itself vouches for counts.
    - ``max_concurrent``: handlers running at once in this process; more are answered 503.
    - ``lease``, ``retention``: seconds; by default derived from the preset's facts.
    - ``heartbeat``: whether the lease is extended while the handler runs, for handlers that take long and surely end.
    - ``worker_timeout``: seconds after which the server kills a worker that is still busy, as far as it cannot be seen
      (gunicorn's arguments and uWSGI's options can): a lease should not end before.
    - ``identity``: what makes two deliveries the same event, if it is to differ from the preset's.
    - ``on_reused_id``: ``"reject"`` (422) or ``"duplicate"`` for a known id with another body; by default as the
      provider's retries are.
    - ``on_outage``: ``"closed"`` (503, the provider tries again) or ``"open"`` for an event that comes while the store is
      down: it is run without anyone knowing whether it ran before. Only for handlers that bear any number of runs.
    - ``store_reply``: whether a duplicate gets the handler's own answer again (status, Content-Type, and a body of up to
      64 KiB, kept for ``retention``), not a plain 200.
    - ``public_url``: the exact URL in the provider's dashboard, for schemes that sign it (a query that the provider adds is
      the delivery's own); ``public_base_url`` is its beginning, which the raw path and query are put behind.
    - ``accept_secret``: takes the secret that some providers send with their first delivery, and the delivery; True keeps
      it. Whoever can reach the URL can send one, so answer True only while a registration of yours is under way.
    - ``confirm_subscription``: fetch the address at which some providers want a subscription confirmed (Amazon SNS), once the
      delivery is verified and the address is the provider's; otherwise such a delivery is answered and logged.
    - ``observers``: called with the :class:`~hookguard.outcome.Outcome` of every delivery.
    """

    __slots__ = (
        "_public_base_url",
        "_scope",
        "accept_secret",
        "allow_from",
        "confirm_subscription",
        "heartbeat",
        "identity",
        "lease",
        "max_body",
        "max_concurrent",
        "methods",
        "name",
        "observers",
        "preset",
        "public_url",
        "reject_reused_id",
        "require_https",
        "retention",
        "runs_unprotected",
        "store_reply",
        "verifier",
    )

    def __init__(
        self,
        verifier: Verifier,
        *,
        name: str | None = None,
        max_body: int = MIB,
        require_https: bool = False,
        allow_from: Networks | Iterable[str] | None = None,
        max_concurrent: int | None = None,
        lease: float | None = None,
        retention: float | None = None,
        heartbeat: bool = False,
        worker_timeout: float | None = None,
        identity: Identity | None = None,
        on_reused_id: OnReusedId | None = None,
        on_outage: OnOutage = "closed",
        store_reply: bool = False,
        public_url: str | None = None,
        public_base_url: str | None = None,
        accept_secret: AcceptSecret | None = None,
        confirm_subscription: bool = False,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.verifier = verifier
        self.preset = preset = verifier.preset
        self.name = name or preset.name
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"endpoint name {self.name!r}: use up to 64 letters, digits, '.', '_' and '-'")
        if isinstance(max_body, bool) or not isinstance(max_body, int) or max_body < 1:
            raise ConfigurationError(f"endpoint {self.name!r}: max_body is {max_body!r}; give a number of bytes")
        if max_concurrent is not None and (
            isinstance(max_concurrent, bool) or not isinstance(max_concurrent, int) or max_concurrent < 1
        ):
            raise ConfigurationError(
                f"endpoint {self.name!r}: max_concurrent is {max_concurrent!r}; give a number or leave it out"
            )
        if on_reused_id not in (None, "duplicate", "reject"):
            raise ConfigurationError(f"endpoint {self.name!r}: on_reused_id is {on_reused_id!r}; choose 'duplicate' or 'reject'")
        if on_outage not in ("closed", "open"):
            raise ConfigurationError(f"endpoint {self.name!r}: on_outage is {on_outage!r}; choose 'closed' or 'open'")
        if identity not in (None, "id", "content", "id+content"):
            raise ConfigurationError(f"endpoint {self.name!r}: identity is {identity!r}; choose 'id', 'content' or 'id+content'")
        if identity in ("id", "id+content") and preset.event_id is None:
            raise ConfigurationError(f"endpoint {self.name!r}: {preset.name} events carry no id, so identity must be 'content'")
        for what, value in (("public_url", public_url), ("public_base_url", public_base_url)):
            if value is not None and not _URL.fullmatch(value):
                raise ConfigurationError(f"endpoint {self.name!r}: {what} is {value!r}; give the whole URL, with https://")
        if "url" in preset.scheme.covers and public_url is None and public_base_url is None:
            raise ConfigurationError(
                f"endpoint {self.name!r}: {preset.name} signs the URL and no framework knows it exactly:"
                " set public_url to what the provider's dashboard says"
            )
        if accept_secret is not None and not (preset.challenge and preset.challenge.offers_secret):
            raise ConfigurationError(f"endpoint {self.name!r}: {preset.name} sends no secret of its own: leave accept_secret out")
        if confirm_subscription and not (preset.challenge and preset.challenge.confirms):
            raise ConfigurationError(
                f"endpoint {self.name!r}: {preset.name} asks for no confirmation: leave confirm_subscription out"
            )
        profile = preset.profile
        self.confirm_subscription = bool(confirm_subscription)
        self.accept_secret = accept_secret
        self.max_body = max_body
        self.require_https = bool(require_https)
        self.allow_from = allow_from if allow_from is None or isinstance(allow_from, Networks) else Networks(allow_from)
        self.max_concurrent = max_concurrent
        self.lease = _seconds("lease", lease, preset.lease, self.name)
        self.retention = _seconds("retention", retention, verifier.retention, self.name)
        self.heartbeat = bool(heartbeat)
        self._compare_with_workers(worker_timeout)
        self._compare_with_provider(verifier)
        self.identity: Identity = identity or preset.identity or "id"
        if on_reused_id is None:
            self.reject_reused_id = bool(profile and profile.stable_body.value) and self.identity == "id"
        else:
            self.reject_reused_id = on_reused_id == "reject"
        self.runs_unprotected = on_outage == "open"
        self.store_reply = bool(store_reply)
        self.public_url = public_url
        self._public_base_url = public_base_url.rstrip("/") if public_base_url else None
        self.methods = preset.all_methods
        self.observers = tuple(observers)
        self._scope = f"{quote(preset.name, safe='')}/{quote(self.name, safe='')}"

    def _compare_with_provider(self, verifier: Verifier) -> None:
        """Warn when an event may come again after it was forgotten."""
        preset, profile = self.preset, self.preset.profile
        replayable = 2 * (verifier.tolerance or 0.0)
        for span, why in (
            (profile.horizon.value if profile else 0.0, f"{preset.name} retries"),
            (replayable, "a capture is accepted"),
        ):
            if self.retention < span:
                warnings.warn(
                    f"endpoint {self.name!r} remembers events for {self.retention:.0f} s, but {why} for {span:.0f} s:"
                    " what comes after that would run again",
                    stacklevel=3,
                )

    def _compare_with_workers(self, worker_timeout: float | None) -> None:
        """Warn when a handler may still run after its lease."""
        patience = declared_timeout() if worker_timeout is None else _seconds("worker_timeout", worker_timeout, 0.0, self.name)
        if patience is not None and self.lease < patience and not self.heartbeat:
            warnings.warn(
                f"endpoint {self.name!r} has a lease of {self.lease:.0f} s and its server lets a worker be busy for"
                f" {patience:.0f} s: a slow handler would be run by a second worker while it still runs."
                " Raise lease, or set heartbeat",
                stacklevel=3,
            )

    def screen(self, delivery: Delivery, *, body_read: bool = True) -> None:
        """Refuse what can be refused without hashing: method, size, encoding, transport, source, no signature at all.

        With ``body_read=False`` the delivery's body is not there yet, and only its announced length is judged: so a
        plugin refuses before it reads. Raises Rejected.
        """
        if delivery.method not in self.methods:
            raise MethodNotAllowed(f"{delivery.method[:16]!r} is none of {', '.join(sorted(self.methods))}")
        headers = delivery.headers
        announced = headers.one("content-length")
        if announced is not None and not _LENGTH.fullmatch(announced):
            raise MalformedHeader("Content-Length is not a number")
        if (size := int(announced) if announced else 0) > self.max_body or len(delivery.body) > self.max_body:
            raise BodyTooLarge(f"the body has {max(size, len(delivery.body))} bytes; {self.max_body} are allowed")
        if (encoding := headers.one("content-encoding")) and encoding.lower() != "identity":
            raise UnsupportedEncoding("the body is compressed; signatures are checked over bytes as they come")
        if body_read:
            if announced is not None and len(delivery.body) != size:
                raise TruncatedBody(f"{len(delivery.body)} bytes came and Content-Length says {size}")
            if not delivery.body and "chunked" in (headers.get("transfer-encoding") or "").lower():
                raise LengthRequired(
                    "the server handed over no body for a chunked delivery: let the proxy in front send Content-Length"
                )
        if self.require_https and not delivery.secure:
            raise InsecureTransport(
                "the framework does not say that this came over HTTPS:"
                " behind a proxy, configure the framework's own proxy support"
            )
        if self.allow_from is not None and delivery.remote not in self.allow_from:
            raise AddressNotAllowed(
                f"{delivery.remote} is in none of the allowed networks:"
                " behind a proxy, configure the framework's own proxy support"
            )
        required = self.preset.scheme.required_header
        challenge = self.preset.challenge
        asked = challenge is not None and challenge.comes_unsigned and delivery.method in challenge.methods
        if required is not None and not asked and required not in headers:
            raise MissingSignature(f"no {required} header")

    def key(self, event: Event) -> StoreKey:
        """Return the store key of an event; raise MissingEventId or MalformedBody when it has no identity."""
        scope = self._scope if event.tenant is None else f"{self._scope}/{quote(event.tenant, safe='')}"
        if len(scope) > 255:
            scope = f"{self._scope}/sha256:{hashlib.sha256(scope.encode()).hexdigest()}"
        if self.identity == "id":
            return StoreKey(scope, event.id)
        if self.identity == "content":
            return StoreKey(scope, f"sha256:{event.digest()}")
        return StoreKey(scope, f"{event.id}:{event.digest()[:32]}")

    def url(self, target: str) -> str:
        """Return the URL a delivery to ``target`` (the raw path and query) was signed for, as far as it is configured.

        A provider may add a query to the configured URL, and signs it then: it is the delivery's own.
        """
        if self.public_url is not None and "url" in self.preset.scheme.covers:
            whole, _, configured = self.public_url.partition("?")
            query = target.partition("?")[2]
            return f"{whole}?{query}" if query and query.startswith(f"{configured}&" if configured else "") else self.public_url
        return (self._public_base_url or "") + target

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.preset.name!r})"


def _seconds(what: str, given: float | None, derived: float, name: str) -> float:
    if given is None:
        return derived
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 1e9:
        raise ConfigurationError(f"endpoint {name!r}: {what} is {given!r}; give seconds, more than 0")
    return float(given)
