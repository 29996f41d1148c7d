"""A named endpoint: a verifier, its limits and its settings, all checked in advance."""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Union
from urllib.parse import quote

from hookguard.delivery import Delivery
from hookguard.errors import (
    AddressNotAllowed,
    BodyTooLarge,
    ConfigurationError,
    InsecureTransport,
    LengthRequired,
    MalformedDelivery,
    MalformedHeader,
    MethodNotAllowed,
    MissingEventId,
    MissingSignature,
    TruncatedBody,
    UnsupportedEncoding,
)
from hookguard.event import Event
from hookguard.evidence import evidence_settings
from hookguard.head.content_type import check_charset
from hookguard.head.target import check_routed, split_target
from hookguard.inbox import inbox_settings
from hookguard.networks import Networks
from hookguard.outcome import Observer
from hookguard.place import before_slash, in_words
from hookguard.preset import Identity
from hookguard.privacy.shown import shown_url
from hookguard.process.server import declared_timeout
from hookguard.relay import relay_settings
from hookguard.remarks import Remark
from hookguard.remarks.times import compare_lease, compare_retention, compare_tolerance
from hookguard.store import StoreKey
from hookguard.verifier import VerifierLike

if TYPE_CHECKING:
    from hookguard.evidence.settings import EvidenceSettings
    from hookguard.inbox.settings import InboxSettings
    from hookguard.relay.settings import RelaySettings

__all__ = ["Endpoint"]

_log = logging.getLogger("hookguard")

#: How to treat a known id with another body: as a retry whose body changed, or as a reason to reject.
OnReusedId = Literal["duplicate", "reject"]

#: How to treat an event while the store is down: reject it with 503 so that the provider retries, or run it all the same.
OnOutage = Literal["closed", "open"]

#: Decides about the secret in a provider's first delivery: True accepts it.
AcceptSecret = Callable[[str, Delivery], Union[bool, Awaitable[bool]]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_URL = re.compile(r"https?://[^/?#\s]+[^\s]*")
#: Content-Encodings that leave the body as it is. Some senders write a charset or a transfer encoding there.
_PLAIN = frozenset({"", "identity", "utf-8", "utf8", "us-ascii", "ascii", "none", "7bit", "8bit", "binary"})
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
#: A target that can be read in one way only: a path, and perhaps a query.
_PLAIN_TARGET = re.compile(r"/[A-Za-z0-9._~/-]*(?:\?[A-Za-z0-9._~/&=%+-]*)?")


class Endpoint:
    """A verifier with a name and limits. All settings are checked here, when the application starts.

    - ``name``: part of every store key and log line; the preset's name by default.
    - ``max_body``: bytes; a larger body is rejected while it is read. By default the provider's own limit, and at least 1 MiB.
    - ``require_https``: reject a request unless the framework confirms that it came over HTTPS.
    - ``allow_from``: networks that may send; only the address that the framework reports counts.
    - ``max_concurrent``: handlers that run concurrently in this process; further deliveries are answered 503.
    - ``lease``, ``retention``: seconds; by default derived from the preset's facts.
    - ``heartbeat``: whether the lease is extended while the handler runs, for long handlers that surely end.
    - ``worker_timeout``: seconds after which the server kills a busy worker; a lease should not end before. Found automatically
      in gunicorn's arguments and configuration file and in uWSGI's options.
    - ``identity``: what makes two deliveries the same event; by default the preset's.
    - ``on_reused_id``: ``"reject"`` (422) or ``"duplicate"`` for a known id with another body; by default it
      follows from the provider's retries.
    - ``on_outage``: ``"closed"`` (503, the provider tries again) or ``"open"`` for an event that comes while the store is
      down. ``"open"`` runs it, although it may have run before: only for handlers that tolerate any number of runs.
    - ``store_reply``: whether a duplicate gets the handler's own answer again (status, Content-Type, and a body of up to
      64 KiB, kept for ``retention``) in place of a plain 200.
    - ``inbox``: True, or a mapping of InboxSettings: an event is stored and answered, and a worker runs the handler later.
    - ``relay``: a mapping of RelaySettings: a worker passes each event on. It brings an inbox.
    - ``public_url``: the exact URL in the provider's dashboard, for schemes that sign it (a query that the provider adds is
      the delivery's own); ``public_base_url`` is its beginning; the raw path and query are appended to it.
    - ``accept_secret``: called with the secret that some providers send in their first delivery, and with the delivery; True
      accepts it. Anybody who reaches the URL can send one, so return True only while a registration of yours is under way.
    - ``confirm_subscription``: fetch the address that confirms a subscription (Amazon SNS), after the delivery was verified
      and the address was found to be the provider's. Without it, such a delivery is only answered and logged.
    - ``pinned_keys``: the provider's keys by name (the address of a certificate, the ``kid`` of a token), as PEM or as a
      JSON Web Key: used without a fetch. ``known_keys``: names of genuine keys. They are fetched even if strangers have used
      up the budget for unknown names.
    - ``autopsy``: whether the log names the cause of a rejected delivery, after the reply has left.
    - ``evidence``: True, or a mapping of EvidenceSettings: a record of each delivery is kept in the store.
    - ``observers``: called with the :class:`~hookguard.outcome.Outcome` of every delivery.
    """

    __slots__ = (
        "_public_base_url",
        "_reads_target",
        "accept_secret",
        "allow_from",
        "autopsy",
        "confirm_subscription",
        "evidence",
        "heartbeat",
        "identity",
        "inbox",
        "known_keys",
        "lease",
        "max_body",
        "max_concurrent",
        "methods",
        "name",
        "observers",
        "pinned_keys",
        "preset",
        "public_url",
        "reject_reused_id",
        "relay",
        "require_https",
        "retention",
        "runs_unprotected",
        "scope",
        "store_reply",
        "verifier",
        "worker_timeout",
    )

    def __init__(
        self,
        verifier: VerifierLike,
        *,
        name: str | None = None,
        max_body: int | None = None,
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
        inbox: InboxSettings | Mapping[str, Any] | bool | None = None,
        relay: RelaySettings | Mapping[str, Any] | None = None,
        public_url: str | None = None,
        public_base_url: str | None = None,
        accept_secret: AcceptSecret | None = None,
        confirm_subscription: bool = False,
        pinned_keys: Mapping[str, str | bytes] | None = None,
        known_keys: Iterable[str] = (),
        autopsy: bool = True,
        evidence: EvidenceSettings | Mapping[str, Any] | bool | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.verifier = verifier
        self.preset = preset = verifier.preset
        self.name = name or preset.name
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"endpoint name {self.name!r} is not valid: use up to 64 letters, digits, '.', '_' and '-'")
        for what, given, good, advice in (
            ("max_body", max_body, _is_count(max_body), "give a number of bytes"),
            ("max_concurrent", max_concurrent, _is_count(max_concurrent), "give a number, or leave it out"),
            ("on_reused_id", on_reused_id, on_reused_id in (None, "duplicate", "reject"), "choose 'duplicate' or 'reject'"),
            ("on_outage", on_outage, on_outage in ("closed", "open"), "choose 'closed' or 'open'"),
            ("identity", identity, identity in (None, "id", "content", "id+content"), "choose 'id', 'content' or 'id+content'"),
        ):
            if not good:
                raise ConfigurationError(f"endpoint {self.name!r}: {what} is {given!r}; {advice}")
        if identity in ("id", "id+content") and preset.event_id is None:
            raise ConfigurationError(f"endpoint {self.name!r}: {preset.name} events carry no id, so identity must be 'content'")
        for what, value in (("public_url", public_url), ("public_base_url", public_base_url)):
            if value is not None and not _URL.fullmatch(str(value)):
                shown = f"{what} is {shown_url(str(value))!r}"
                raise ConfigurationError(f"endpoint {self.name!r}: {shown}; give the whole URL, with https://")
        if "url" in preset.scheme.covers and public_url is None and public_base_url is None:
            raise ConfigurationError(
                f"endpoint {self.name!r}: {preset.name} signs the URL, and no framework knows it exactly:"
                " set public_url to the URL in the provider's dashboard",
                check="U1",
            )
        if accept_secret is not None and not (preset.challenge and preset.challenge.offers_secret):
            raise ConfigurationError(f"endpoint {self.name!r}: {preset.name} sends no secret of its own: leave accept_secret out")
        if confirm_subscription and not (preset.challenge and preset.challenge.confirms):
            raise ConfigurationError(f"endpoint {self.name!r}: {preset.name} never asks for that: leave confirm_subscription out")
        self.confirm_subscription, self.accept_secret = bool(confirm_subscription), accept_secret
        self.max_body = preset.max_body if max_body is None else max_body
        self.allow_from = allow_from if allow_from is None or isinstance(allow_from, Networks) else Networks(allow_from)
        self.require_https, self.store_reply, self.max_concurrent = bool(require_https), bool(store_reply), max_concurrent
        self.lease = _seconds("lease", lease, preset.lease, self.name)
        self.retention = _seconds("retention", retention, verifier.retention, self.name)
        self.heartbeat, self.autopsy = bool(heartbeat), bool(autopsy)
        self.evidence = evidence_settings(evidence, self.name)
        self.relay = relay_settings(relay, self.name, preset, inbox)
        inbox = self.relay is not None if inbox is None else inbox  # a relay needs one
        self.inbox = inbox_settings(inbox, self.name, store_reply=store_reply, on_outage=on_outage)
        patience = declared_timeout() if worker_timeout is None else _seconds("worker_timeout", worker_timeout, 0.0, self.name)
        self.worker_timeout = patience
        for remark in self.compare_times():
            warnings.warn(str(remark), stacklevel=2)
        self.identity: Identity = identity or preset.identity or "id"
        never_changes = bool(preset.facts and preset.facts.stable_body.value) and self.identity == "id"
        self.reject_reused_id = never_changes if on_reused_id is None else on_reused_id == "reject"
        self.runs_unprotected, self.methods = on_outage == "open", preset.all_methods
        # A fragment stays with the sender (Twilio reads settings from it): it is neither sent nor signed.
        self.public_url = public_url.partition("#")[0] if public_url is not None else None
        self._public_base_url = public_base_url.rstrip("/") if public_base_url else None
        # Whether the target decides about a delivery: it is signed, or looked up.
        self._reads_target = verifier.lookup is not None or bool(preset.scheme.covers & {"url", "path"})
        self._take_keys(pinned_keys or {}, known_keys)
        self.observers = tuple(observers)
        #: The beginning of every store key of the endpoint; a tenant's has its name behind a slash.
        self.scope = f"{quote(preset.name, safe='')}/{quote(self.name, safe='')}"

    def _take_keys(self, pinned: Mapping[str, str | bytes], known: Iterable[str]) -> None:
        """Read the pinned keys, and check the names of the known ones."""
        if isinstance(known, (str, bytes)) or not isinstance(pinned, Mapping):
            raise ConfigurationError(
                f"endpoint {self.name!r}: known_keys must be a list of names, and pinned_keys must map names to keys"
            )
        self.known_keys = frozenset(known)
        self.pinned_keys: dict[str, Any] = {}
        for name, text in pinned.items():
            try:
                self.pinned_keys[name] = self.verifier.read_pinned_key(name, text)
            except ConfigurationError as error:
                raise ConfigurationError(f"endpoint {self.name!r}: pinned_keys[{name!r}]: {error}") from None
        for name in self.known_keys:
            try:
                self.verifier.check_key_name(name)
            except ConfigurationError as error:
                raise ConfigurationError(f"endpoint {self.name!r}: known_keys: {name!r}: {error}") from None

    def compare_times(self) -> Iterator[Remark]:
        """Yield a remark for each time that does not fit its provider's or its server's: retries would be lost, or run again."""
        provider, verifier, facts = self.preset.name, self.verifier, self.preset.facts
        yield from compare_tolerance(self.name, provider, verifier.tolerance, verifier.oldest_retry)
        horizon = facts.horizon.value if facts else 0.0
        yield from compare_retention(self.name, provider, self.retention, horizon, verifier.tolerance)
        if not self.heartbeat and self.inbox is None:
            yield from compare_lease(self.name, self.lease, self.worker_timeout)

    def screen(self, delivery: Delivery, *, body_read: bool = True) -> None:
        """Reject by the checks that need no hashing: method, size, encoding, transport, source, missing signature.

        With ``body_read=False`` the body was not read yet, and only its announced length is checked: so a plugin rejects
        before it reads. Raises Rejected.
        """
        if delivery.method not in self.methods:
            raise MethodNotAllowed(
                f"the method is {delivery.method[:16]!r}; allowed: {', '.join(sorted(self.methods))}",
                method=delivery.method,
                allowed=self.methods,
            )
        headers = delivery.headers
        announced = headers.one("content-length")
        if announced is not None and not _LENGTH.fullmatch(announced):
            raise MalformedHeader("Content-Length is not a number", header="content-length")
        length = int(announced) if announced else 0
        if (size := max(length, len(delivery.body))) > self.max_body:
            raise BodyTooLarge(f"the body has {size} bytes; {self.max_body} are allowed", size=size, limit=self.max_body)
        if (encoding := headers.one("content-encoding")) and not _leaves_plain(encoding):
            raise UnsupportedEncoding("the body is compressed, and signatures cover the bytes on the wire")
        check_charset(headers)
        if body_read:
            if announced is not None and (size := len(delivery.body)) != length:
                raise TruncatedBody(f"{size} bytes came; Content-Length announced {length}", size=size, announced=length)
            if not delivery.body and "chunked" in (headers.get("transfer-encoding") or "").lower():
                raise LengthRequired("the server passed on no body of a chunked delivery: let the proxy send Content-Length")
        if self.require_https and not delivery.secure:
            raise InsecureTransport(
                "the framework does not confirm that this request came over HTTPS:"
                " behind a proxy, configure the framework's own proxy support"
            )
        if self.allow_from is not None and delivery.remote not in self.allow_from:
            raise AddressNotAllowed(
                f"the address {delivery.remote!r} is outside of the allowed networks:"
                " behind a proxy, configure the framework's own proxy support",
                address=delivery.remote,
            )
        required = self.preset.scheme.required_header
        challenge = self.preset.challenge
        asked = challenge is not None and challenge.comes_unsigned and delivery.method in challenge.methods
        if required is not None and not asked and required not in headers:
            raise MissingSignature(f"the header {required} is missing", header=required)

    def key(self, event: Event) -> StoreKey:
        """Return the store key of an event; raise MalformedBody if its id cannot be read.

        An event without an id is identified by its content, with a warning in the log: it must not be lost.
        """
        identity = self._identity(event)
        if self.preset.id_scope:
            identity = "".join(before_slash(place.find(event) or "") for place in self.preset.id_scope) + identity
        return StoreKey(self._scope_of(event.tenant), identity)

    def nonce_key(self, event: Event) -> StoreKey | None:
        """Return the store key of the delivery's nonce; None if the preset has no nonce."""
        nonce = self.preset.nonce
        if nonce is None or not self.preset.nonce_covered or (found := nonce.find(event)) is None:
            return None
        return StoreKey(f"{self._scope_of(event.tenant)}#nonce", found)  # no name of an endpoint or tenant contains "#"

    def _scope_of(self, tenant: str | None) -> str:
        if tenant is None:
            return self.scope
        scope = f"{self.scope}/{quote(tenant, safe='')}"
        if len(scope) > 255:
            scope = f"{self.scope}/sha256:{hashlib.sha256(scope.encode()).hexdigest()}"
        return scope

    def _identity(self, event: Event) -> str:
        if self.identity == "content":
            return f"sha256:{event.digest()}"
        if event.lacks_id:
            _log.warning(
                "%s: an event has no id, although %s sends one (%s): its content identifies it, so an equal one is a duplicate",
                self.name,
                self.preset.name,
                in_words(self.preset.event_id),
                extra={"endpoint": self.name, "reason_code": MissingEventId.code},
            )
        elif self.identity == "id+content":
            return f"{event.id}:{event.digest()[:32]}"
        return event.id

    def url(self, target: str, routed: Collection[str] = ()) -> str:
        """Return the URL that a delivery to ``target`` (as it came over the wire) was signed for, as far as it is configured.

        ``routed`` is the decoded path that the framework routed, with and without its root path. If the path is signed, or
        used to look up a secret, any other path raises MalformedDelivery. So does a target with two readings. A provider may
        add to the configured query, and then signs the addition; any other query raises MalformedDelivery.
        """
        if not self._reads_target and _PLAIN_TARGET.fullmatch(target):
            # Of such a target, what follows makes the same text, in 6 us.
            return (self._public_base_url or "") + target
        came = split_target(target)
        if came.origin and not came.path:
            came = came._replace(path="/")
        elif target and not came.path:
            raise MalformedDelivery(f"the target {shown_url(target)[:200]} has no path")
        covers = self.preset.scheme.covers
        configured = None
        if self.public_url is not None and "url" in covers:
            configured = split_target(self.public_url.partition("#")[0])  # a fragment is never sent
        if routed and (self.verifier.lookup is not None or "path" in covers or ("url" in covers and configured is None)):
            check_routed(came, routed)
        if configured is None:
            return (self._public_base_url or "") + str(came._replace(origin=""))
        if came.query == configured.query or came.parameters() == configured.parameters():
            return str(configured)  # a proxy may write escapes in another way
        if configured.query and not (came.query or "").startswith(f"{configured.query}&"):
            # Even if it is signed: in a scheme that joins the URL and a form's fields, a field's text could move into the query.
            raise MalformedDelivery(
                f"the query of {shown_url(target)[:200]} is not the one in public_url, {shown_url(str(configured))}:"
                " does a proxy in front change it?"
            )
        return str(configured._replace(query=came.query))

    def looked_up(self, url: str) -> str:
        """Return the path for the secret lookup: decoded, as it was routed, without the public base URL."""
        return split_target(url.removeprefix(self._public_base_url or "")).decoded_path

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.preset.name!r})"


def _leaves_plain(encodings: str) -> bool:
    """Whether a Content-Encoding leaves the body as it is. Senders and proxies may each write one: it may be a list."""
    return all(each.strip() in _PLAIN for each in encodings.lower().split(","))


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def _seconds(what: str, given: float | None, derived: float, name: str) -> float:
    if given is None:
        return derived
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < 1e9:
        raise ConfigurationError(f"endpoint {name!r}: {what} is {given!r}; give seconds, more than 0")
    return float(given)
