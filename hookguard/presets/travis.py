"""Travis CI: RSA over the form field that holds the JSON, by a key that Travis publishes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

from hookguard.delivery import Delivery
from hookguard.documents import as_text, put_form, read_json, says_form
from hookguard.errors import (
    ConfigurationError,
    MalformedBody,
    MalformedSignature,
    MissingSignature,
    SignatureMismatch,
    UntrustedKeySource,
)
from hookguard.headers import Headers
from hookguard.keys import Wanted
from hookguard.layout import Layout
from hookguard.place import InBody, Joined
from hookguard.preset import Preset
from hookguard.profile import Profile, Source
from hookguard.schemes.base import Draft, FetchingScheme, Key, Verified
from hookguard.schemes.form import read_pairs
from hookguard.schemes.public_key import PublicKey, need_cryptography, read_public_key
from hookguard.secret import Secret

__all__ = ["TRAVIS", "TravisKey", "TravisScheme"]

_DOCS = Source("https://docs.travis-ci.com/user/notifications/#verifying-webhook-requests", "2026-11-24")
_SENDER = Source("https://github.com/travis-ci/travis-tasks/blob/master/lib/travis/addons/webhook/task.rb", "2026-11-25")
_TASK = Source("https://github.com/travis-ci/travis-tasks/blob/master/lib/travis/task.rb", "2026-11-25")
_IPS = Source("https://docs.travis-ci.com/user/ip-addresses/", "2026-11-25")

#: Where Travis publishes its key, among other settings.
_CONFIG = "https://api.travis-ci.com/config"
_BASE64 = Layout("{base64}")
_FIELD = "payload"


class TravisKey(NamedTuple):
    """Whose repositories may notify, and what signs in tests."""

    owner: str
    private: PublicKey | None


class TravisScheme(FetchingScheme):
    """RSA with SHA-1 over the form field ``payload``, decoded.

    Whoever has a repository can have Travis sign a notification and send it here, so its owner is what counts: the secret is
    the owner's name. ``private_key`` is for tests.
    """

    __slots__ = ()

    what = "RSA (SHA-1) of the form's field `payload`"

    secret_fields = ("owner",)
    optional_fields = ("private_key",)
    covers = frozenset({"body"})
    required_header = "signature"

    def prepare(self, secret: Secret) -> TravisKey:
        """Take the owner's name; ConfigurationError when ``cryptography`` is not installed."""
        need_cryptography()
        private = read_public_key(secret.value("private_key"), "rsa-sha1") if secret.has("private_key") else None
        return TravisKey(secret.field("owner"), private)

    def wants(self, delivery: Delivery, keys: Sequence[Key]) -> Wanted:
        """Ask for the one key there is."""
        _payload(delivery)
        return Wanted(_CONFIG, "webhook", lambda document, _now: {"webhook": _published(document)})

    def verify(self, delivery: Delivery, keys: Sequence[Key], found: Any = None) -> Verified:
        """Check the signature with Travis's key, and whose repository it is about."""
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
        raise SignatureMismatch(f"the notification is genuine, and about a repository of none of {len(keys)} owners")

    def sign(self, draft: Draft, keys: Sequence[Key]) -> Delivery:
        """Sign with the private key of a secret; JSON is put into the form."""
        if len(keys) != 1 or keys[0].prepared.private is None:
            raise ConfigurationError("only Travis signs its notifications: for tests give one secret with a private_key")
        headers, body = dict(draft.headers), draft.body
        if not says_form(Headers(headers)):
            body = put_form(b"", _FIELD, as_text(body, "the body"))
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Signature"] = "-"
        try:
            payload = _payload(Delivery(body, headers))
        except (MalformedBody, MissingSignature) as error:
            raise ConfigurationError(f"this is no notification of Travis: {error}") from None
        headers["Signature"] = base64.b64encode(keys[0].prepared.private.sign(payload)).decode()
        return Delivery(body, headers, draft.method, draft.url)

    def __repr__(self) -> str:
        return "TravisScheme()"


def _payload(delivery: Delivery) -> bytes:
    """The only field of the form, as text."""
    if not delivery.headers.one("signature"):
        raise MissingSignature("no Signature header")
    if not says_form(delivery.headers):
        raise MissingSignature("the body is no form, and the signature covers a field of one")
    pairs = read_pairs(delivery.body)
    if [name for name, _ in pairs] != [_FIELD]:
        raise MalformedBody(f"the form has other fields than {_FIELD}, which is all that is signed")
    return pairs[0][1].encode("utf-8", "surrogatepass")


def _published(document: bytes) -> PublicKey:
    """The key in Travis's settings; ValueError when they hold none."""
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
    event_id=Joined(InBody("id"), InBody("state")),
    event_type=InBody("state"),
    json_field=_FIELD,
    profile=Profile(
        schedule=_SENDER.says("never: what fails is logged and given up"),
        horizon=_SENDER.says(0.0),
        resigned=_DOCS.silent(None),
        stable_body=_DOCS.silent(None),
        timeout=_TASK.says(60.0),
        statuses=_SENDER.says("2xx succeeds; anything else is logged"),
        # The page lists the machines that build, and says that notifications come from others.
        networks=_IPS.silent(None),
    ),
    docs=_DOCS.address,
    note=(
        "The secret is the name of the account or organization whose repositories may notify: anyone can have Travis sign a"
        " notification of a repository of their own. No time is signed, and SHA-1 is all that Travis signs with."
    ),
)
