"""The door of the page: the people who come in, and whether a form was made for them, for this action and by this page."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer

from hookguard.errors import ConfigurationError
from hookguard.privacy.shown import printable

__all__ = ["MAY", "Door", "Visitor", "same_site", "visitor"]

#: The words that ``allow`` may return: see lists and entries; see bodies; rerun; drop. Dropping has a word of its own, because a
#: rerun can be repeated and a drop cannot be undone. Django's admin has a permission for each of them, too.
MAY: Final = ("look", "open", "rerun", "drop")

#: Seconds that a form may be sent.
FRESH: Final = 3600

#: The fewest characters of a key that signs the forms.
SHORTEST_KEY: Final = 16


class Visitor(NamedTuple):
    """A person whom ``allow`` let in."""

    name: str  #: safe to show and to log
    may: frozenset[str]


def visitor(allowed: object) -> Visitor | None:
    """Return the visitor for the answer of ``allow``; None for nobody, and for a person who may not even ``look``.

    Raises ConfigurationError for an answer that is neither None nor a name with a set of words: it lets nobody in.
    """
    if not allowed:
        return None
    if isinstance(allowed, tuple) and len(allowed) == 2:
        name, may = allowed
        words = isinstance(may, Collection) and not isinstance(may, (str, bytes))
        if isinstance(name, str) and name.strip() and words and set(may) <= set(MAY):
            return Visitor(printable(name.strip())[:150], frozenset(may)) if "look" in may else None
    raise ConfigurationError(
        f"page: allow returned {type(allowed).__name__}, which lets nobody in: return None, or a name and a set of"
        f" {', '.join(map(repr, MAY))}, as in ('ada', {{'look', 'open'}})"
    )


class Door:
    """Signs the forms of the page, for a visitor and an action, and checks them.

    ``secret_key`` is the application's. Raises ConfigurationError if it is missing or short.
    """

    def __init__(self, secret_key: str | bytes | None) -> None:
        if not isinstance(secret_key, (str, bytes)) or len(secret_key) < SHORTEST_KEY:
            what = "missing" if not secret_key else f"not a text of at least {SHORTEST_KEY} characters"
            raise ConfigurationError(
                f"page: the secret key is {what}: the page signs its forms with it, so that another site cannot send them."
                " Give secret_key, the same in each process; Flask's and Django's is SECRET_KEY"
            )
        self._signer = URLSafeTimedSerializer(
            secret_key, salt="hookguard.page", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def token(self, visitor: Visitor, action: str) -> str:
        """Return the token of a form."""
        return str(self._signer.dumps([visitor.name, action]))

    def admits(self, visitor: Visitor, action: str, token: str) -> bool:
        """Whether the token was made for this visitor and this action within the last hour."""
        try:
            found: object = self._signer.loads(token, max_age=FRESH)
        except BadData:
            return False
        return found == [visitor.name, action]


def same_site(headers: Mapping[str, str]) -> bool:
    """Whether a form may come from this page, by the browser's word; ``headers`` have names in lower case.

    Over plain HTTP browsers send no Sec-Fetch-Site. Since the page sends no referrer, their Origin is "null" for its own forms:
    then the token alone decides.
    """
    if (fetched := headers.get("sec-fetch-site")) is not None:
        return fetched in ("same-origin", "none")  # no page can write this header
    origin = headers.get("origin")
    if origin is None or origin == "null":
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
