"""Comparing hashes: each text that may be signed, with each key, against the signatures that came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hookguard.autopsy.judge import Judge
from hookguard.autopsy.unknown.carried import Carried, Stamp, ids_of, signatures_of, stamps_of
from hookguard.autopsy.unknown.recipe import Recipe
from hookguard.autopsy.unknown.texts import Text, texts, with_secret
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError
from hookguard.record import Record
from hookguard.schemes.base import Key
from hookguard.schemes.hash import HashKey
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret, SecretFormat

__all__ = ["KeyRead", "Trials"]

#: Texts between two checks of the time.
_OFTEN = 64


@dataclass(frozen=True, slots=True, repr=False)
class KeyRead(Record):
    """A secret in one of the formats, the key that it gives, and the cause that a match proves ("" without one)."""

    code: str
    secret: Secret
    secret_format: SecretFormat
    raw: bytes

    def __repr__(self) -> str:
        return f"KeyRead({self.code!r}, {self.secret!r}, {self.secret_format!r})"


class Trials:
    """Everything in one delivery that may be a signature or signed with it."""

    def __init__(self, judge: Judge, delivery: Delivery, id_field: str) -> None:
        self.judge, self.id_field = judge, id_field
        self.carried = signatures_of(delivery.headers)
        self.stamps, self.ids = stamps_of(delivery.headers), ids_of(delivery.headers)

    def fitting(
        self, delivery: Delivery, keys: Sequence[KeyRead], *, most: int | None = None, needed: str = ""
    ) -> Iterator[tuple[Recipe, KeyRead]]:
        """Yield the recipes that verify the delivery. ``most`` is how many texts are tried; ``needed`` is signed in each."""
        for key in keys:
            text = _as_text(key.raw)
            for came in self.carried:
                if text and text in came.layout:
                    continue  # the declaration would show the secret
                for hashed in (False, True) if text is not None else (False,):
                    tried = [each for each in (with_secret if hashed else texts)() if not needed or needed in each.names]
                    for recipe in self._of(delivery, key, came, tried[:most], hashed=hashed):
                        if self._proved(recipe, delivery, key):
                            yield recipe, key

    def _of(self, delivery: Delivery, key: KeyRead, came: Carried, tried: Sequence[Text], *, hashed: bool) -> Iterator[Recipe]:
        text = _as_text(key.raw) or ""
        prepared = HashKey(text, came.digest) if hashed else HmacKey(key.raw, came.digest)
        stamps: list[Stamp] = [came.stamp] if came.stamp is not None else self.stamps
        ids = [(name, value) for name, value in self.ids if name != came.header]
        fixed = {"url": delivery.url, "method": delivery.method, "secret": text}
        for number, each in enumerate(tried):
            if number % _OFTEN == 0:
                self.judge.look()
            if (came.stamp is not None and "timestamp" not in each.names) or ("url" in each.names and not delivery.url):
                continue
            for stamp in stamps if "timestamp" in each.names else (None,):
                for name, value in ids if "id" in each.names else (("", ""),):
                    filled = {**fixed, "timestamp": stamp.text if stamp else "", "id": value}
                    head, tail = (part.format_map(filled).encode("utf-8", "surrogatepass") for part in (each.head, each.tail))
                    self.judge.count(len(delivery.body))
                    if prepared.digest(head, delivery.body, tail) in came.signatures:
                        yield Recipe(
                            header=came.header,
                            layout=came.layout,
                            separator=came.separator,
                            signed=each.template,
                            digest=came.digest,
                            timestamp_header=stamp.header if stamp else "",
                            unit=stamp.unit if stamp else "s",
                            id_header=name,
                            secret_format=key.secret_format,
                            hashed=hashed,
                            id_field=self.id_field,
                        )

    def _proved(self, recipe: Recipe, delivery: Delivery, key: KeyRead) -> bool:
        """Whether the scheme itself, made of the recipe, verifies the delivery."""
        try:
            scheme = recipe.preset().scheme
            made = Key("#1", key.secret, scheme.prepare(key.secret))
        except ConfigurationError:
            return False
        return self.judge.ask(scheme, delivery, [made]) is not None


def _as_text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
