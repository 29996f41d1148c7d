"""Travis CI: RSA over the form field that holds the JSON, with a key that Travis publishes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hookguard.bodies import read_json
from hookguard.delivery import Delivery
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.facts import Facts, Source
from hookguard.head.content_type import says_form
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.record import Record
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.form import read_pairs
from hookguard.schemes.layout import Layout
from hookguard.schemes.public_key import PublicKey, need_cryptography, read_pinned_key, read_public_key
from hookguard.secret import Secret
from hookguard.writing import as_text, put_form

__all__ = ["TRAVIS", "TravisKey", "TravisScheme"]

_DOCS = Source("https://docs.travis-ci.com/user/notifications/#verifying-webhook-requests", "2026-11-24")
_SENDER = Source("https://github.com/travis-ci/travis-tasks/blob/master/lib/travis/addons/webhook/task.rb", "2026-11-25")
_TASK = Source("https://github.com/travis-ci/travis-tasks/blob/master/lib/travis/task.rb", "2026-11-25")
_IPS = Source("https://docs.travis-ci.com/user/ip-addresses/", "2026-11-25")

#: Where Travis publishes its key, among other settings.
_CONFIG = "https://api.travis-ci.com/config"
_KEY = "webhook"
_BASE64 = Layout("{base64}")
_FIELD = "payload"


@dataclass(frozen=True, slots=True, repr=False)
class TravisKey(Record):
    """The owner whose repositories may notify, and a private key in tests."""

    owner: str
    private: PublicKey | None


class TravisScheme(FetchingScheme):
    """RSA with SHA-1 over the form field ``payload``, decoded.

    Anyone with a repository can make Travis sign a notification and send it here. So the repository's owner is checked: the
    secret is the owner's name. ``private_key`` is for tests.
    """

    __slots__ = ()

    what = "RSA (SHA-1) of the form's field `payload`"

    secret_fields = ("owner",)
    naming_fields = ("owner",)
    optional_fields = ("private_key",)
    covers = frozenset({"body"})
    required_header = "signature"

    def prepare(self, secret: Secret) -> TravisKey:
        """Return the owner's name; ConfigurationError if ``cryptography`` is missing."""
        need_cryptography()
        private = read_public_key(secret.value("private_key"), "rsa-sha1") if secret.has("private_key") else None
        return TravisKey(secret.field("owner"), private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Return where Travis's only key is."""
        _payload(delivery)
        return Wanted(_CONFIG, _KEY, lambda document, _now: {_KEY: _published(document)}, known=True)

    def sources(self, keys: Sequence[Key]) -> tuple[str, ...]:
        """Return the address of Travis's only key."""
        return (_CONFIG,)

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the signature with Travis's key, and the repository's owner."""
        payload = _payload(delivery)
        signature = _BASE64.decode(delivery.headers.one("signature") or "")
        if signature is None:
            raise MalformedSignature("the Signature header is not base64")
        if not isinstance(found, PublicKey):
            raise UntrustedKeySource("the key that Travis publishes was not found")
        if not found.verify(signature, payload):
            raise SignatureMismatch("Travis's key did not sign this payload")
        document = read_json(payload)
        repository = document.get("repository") if isinstance(document, dict) else None
        owner = repository.get("owner_name") if isinstance(repository, dict) else None
        for key in keys:
            if owner == key.prepared.owner:
                return key.name, None
        raise SignatureMismatch(
            f"the notification is genuine, but its repository has another owner (owners checked: {len(keys)})",
            secrets=len(keys),
        )

    def check_key_name(self, name: str) -> None:
        """Check that it is the name of Travis's only key."""
        if name != _KEY:
            raise ConfigurationError(f"Travis has one key, called {_KEY!r} here")

    def read_pinned_key(self, text: str | bytes) -> PublicKey:
        """Read PEM."""
        return PublicKey(read_pinned_key(text), "rsa-sha1")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; JSON is put into the form."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only Travis signs its notifications: in tests give one secret with a private_key")
        headers, body = dict(draft.headers), draft.body
        if not says_form(Headers(headers)):
            body = put_form(b"", _FIELD, as_text(body, "the body"))
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Signature"] = "-"
        try:
            payload = _payload(Delivery(body, headers))
        except (MalformedBody, MissingSignature) as error:
            raise ConfigurationError(f"the body is not a notification of Travis: {error}") from None
        headers["Signature"] = base64.b64encode(keys[0].prepared.private.sign(payload)).decode()
        return Delivery(body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "TravisScheme()"


def _payload(delivery: Delivery) -> bytes:
    """Return the text of the form's only field."""
    if not delivery.headers.one("signature"):
        raise MissingSignature("no Signature header", header="Signature")
    if not says_form(delivery.headers):
        raise MissingSignature("the body is not a form, and the signature covers a form field")
    pairs = read_pairs(delivery.body)
    if [name for name, _ in pairs] != [_FIELD]:
        raise MalformedBody(f"the form has other fields than {_FIELD}, the only field that is signed")
    return pairs[0][1].encode("utf-8", "surrogatepass")


def _published(document: bytes) -> PublicKey:
    """Return the key in Travis's settings; ValueError without one."""
    try:
        settings: Any = read_json(document)
        for step in ("config", "notifications", "webhook", "public_key"):
            settings = settings[step]
        return read_public_key(settings, "rsa-sha1")
    except (MalformedBody, ConfigurationError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Travis's settings hold no key ({type(error).__name__})") from None


TRAVIS = Preset(
    name="travis",
    title="Travis CI",
    scheme=TravisScheme(),
    # One build notifies when it starts and when it ends.
    # The id is the build's. A restarted build has the same states again, at other times.
    event_id=Joined(InBody("id"), InBody("state")),
    id_scope=(InBody("started_at"), InBody("finished_at")),
    event_type=InBody("state"),
    json_field=_FIELD,
    facts=Facts(
        schedule=_SENDER.says("never: a failure is logged and dropped"),
        horizon=_SENDER.says(0.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        stable_id=_DOCS.silent(None),
        largest_body=_DOCS.silent(None),
        timeout=_TASK.says(60.0),
        statuses=_SENDER.says("2xx succeeds; anything else is logged"),
        # The page lists the machines that build, and says that notifications come from others.
        networks=_IPS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "The secret is the name of the account or organization whose repositories may notify, because anyone can make Travis"
        " sign a notification of their own repository. No time is signed, and Travis signs with SHA-1 only."
    ),
)
