"""The order of the search for an unknown sender's recipe. Each stage ends it when it finds one.

1. Every preset that is known, and the families, with the delivery and the secrets as they came.
2. The presets whose signature header came, with one thing undone: the autopsy of each.
3. The families, with a URL or body that was changed, or a secret that was misread.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union, get_args

from hookguard.autopsy.changes import bodies_of
from hookguard.autopsy.finding import NO_MATCH, UNFINISHED, Finding, finding
from hookguard.autopsy.judge import LIVE, BoundReached, Bounds, Judge
from hookguard.autopsy.known import Known
from hookguard.autopsy.search import explain
from hookguard.autopsy.unknown.recipe import Recipe, TokenRecipe
from hookguard.autopsy.unknown.trials import KeyRead, Trials
from hookguard.autopsy.urls import urls_changed
from hookguard.delivery import Delivery
from hookguard.errors import ConfigurationError
from hookguard.preset import Preset, make_keys
from hookguard.presets.registry import loaded
from hookguard.schemes.base import Key
from hookguard.secret import Secret, SecretFormat
from hookguard.verifier import Verifier

__all__ = ["Identified", "identify"]

#: Stage 2: the most presets that are examined.
MAX_EXAMINED = 8
#: Stage 3: the most texts that are tried with each body that may have been signed.
FEW_TEXTS = 40
_ID_FIELDS = ("event_id", "eventId", "id", "uuid", "webhook_id", "message_id", "messageId")


class Identified(NamedTuple):
    """The presets that fit, and the recipe of a preset to declare. The findings are what must be undone before either fits."""

    presets: tuple[str, ...]
    recipe: Union[Recipe, TokenRecipe, None]
    findings: tuple[Finding, ...]
    finished: bool
    calls: int
    seconds: float


def identify(delivery: Delivery, secrets: Sequence[str], *, bounds: Bounds, target: str = "") -> Identified:
    """Return which preset or recipe verifies the delivery with one of the secrets. Raises ConfigurationError for a bad secret."""
    judge = Judge(bounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a short secret, which is tried many times
        search = _Search(judge, delivery, [Secret(each) for each in secrets], target)
        try:
            found = search.run()
        except BoundReached:
            found = (), None, (finding(UNFINISHED, "suspected"),)
    return Identified(*found, all(each.code != UNFINISHED for each in found[2]), judge.calls, judge.seconds)


_Found = tuple[tuple[str, ...], Union[Recipe, TokenRecipe, None], tuple[Finding, ...]]


class _Search:
    def __init__(self, judge: Judge, delivery: Delivery, secrets: Sequence[Secret], target: str) -> None:
        self.judge, self.delivery, self.secrets, self.target = judge, delivery, secrets, target
        self.trials = Trials(judge, delivery, _id_field(delivery.body))

    def run(self) -> _Found:
        presets, own = tuple(self._presets()), list(self._own_keys())
        recipe = self._token() or next((recipe for recipe, _ in self.trials.fitting(self.delivery, own)), None)
        if presets or recipe:
            return presets, recipe, ()
        return (
            self._examined()
            or self._changed(own)
            or self._misread()
            or ((), None, (finding(NO_MATCH, "fact", f"{self.judge.calls} hypotheses"),))
        )

    # Stage 1

    def _presets(self) -> list[str]:
        fitting = []
        for preset in _with_headers_of(self.delivery, carried_only=False):
            scheme = preset.scheme
            keys = _keys_for(preset, self.secrets)
            if keys and not hasattr(scheme, "wants") and self.judge.ask(scheme, self.delivery, keys) is not None:
                fitting.append(preset)
        return [preset.name for preset in sorted(fitting, key=self._absent)]

    def _absent(self, preset: Preset) -> tuple[int, int, str]:
        """How many of the headers with which the provider sends are missing, and how many are there, negated."""
        places = (preset.event_id, preset.event_type)
        names = {*preset.scheme.carriers.all, *(place.header.lower() for place in places if place is not None and place.header)}
        there = sum(name in self.delivery.headers for name in names)
        return len(names) - there, -there, preset.name

    def _own_keys(self) -> Iterator[KeyRead]:
        for secret in self.secrets:
            yield from _read("", secret)

    def _token(self) -> TokenRecipe | None:
        for name in list(dict.fromkeys(self.delivery.headers))[:64]:
            for form in ("plain", "bearer", "basic"):
                recipe = TokenRecipe(name, form, self.trials.id_field)
                preset = recipe.preset()
                keys = _keys_for(preset, self.secrets)
                if keys and self.judge.ask(preset.scheme, self.delivery, keys) is not None:
                    return recipe
        return None

    # Stage 2

    def _examined(self) -> _Found | None:
        for preset in list(_with_headers_of(self.delivery, carried_only=True))[:MAX_EXAMINED]:
            if not _keys_for(preset, self.secrets):
                continue
            self.judge.look()
            found = explain(
                Verifier(preset, self.secrets, allow_stale=True), self.delivery, known=Known(target=self.target), bounds=LIVE
            )
            self.judge.calls += found.calls
            if any(each.kind == "proved" for each in found.findings):
                return (preset.name,), None, found.findings
        return None

    # Stage 3

    def _changed(self, own: Sequence[KeyRead]) -> _Found | None:
        came = self.delivery
        for code, detail, url in urls_changed(came.url, self.target or came.target, came.headers) if came.url else ():
            for recipe, _ in self.trials.fitting(Delivery(came.body, came.headers, came.method, url), own, needed="url"):
                return (), recipe, (finding(code.split("+")[0], "proved", detail),)
        if not self.trials.carried:
            return None
        carried = self.trials.carried[0]
        usual = Recipe(carried.header, carried.layout.replace("{timestamp}", "x"), "{body}", carried.digest).preset()
        for code, detail, body in bodies_of(came, usual, self.judge, costly=False):
            for recipe, _ in self.trials.fitting(came._replace(body=body), own, most=FEW_TEXTS):
                return (), recipe, (finding(code.split("+")[0], "proved", detail.split("; ")[0]),)
        return None

    def _misread(self) -> _Found | None:
        for secret in self.secrets:
            for code, reading in secret.readings("text"):
                for recipe, key in self.trials.fitting(self.delivery, list(_read(code, reading))):
                    return (), recipe, (finding(key.code, "proved"),)
        return None


def _read(code: str, secret: Secret) -> Iterator[KeyRead]:
    """Yield the key that a secret gives in each format."""
    seen = set()
    formats: tuple[SecretFormat, ...] = get_args(SecretFormat)
    for each in sorted(formats, key="text".__ne__):
        try:
            raw = secret.key(each)
        except ConfigurationError:
            continue
        if raw not in seen:
            seen.add(raw)
            yield KeyRead(code, secret, each, raw)


def _keys_for(preset: Preset, secrets: Sequence[Secret]) -> list[Key]:
    """Return the keys that the preset can use."""
    keys: list[Key] = []
    for secret in secrets:
        try:
            keys += make_keys(preset, secret)
        except ConfigurationError:
            continue
    return keys


def _with_headers_of(delivery: Delivery, *, carried_only: bool) -> Iterator[Preset]:
    """Yield the presets whose signature header came, and those without such a header."""
    for preset in loaded()[0]:
        names = preset.scheme.signature_headers
        if any(name in delivery.headers for name in names) or (not names and not carried_only):
            yield preset


def _id_field(body: bytes) -> str:
    """Return the field of a JSON body that is usually an event's id; "" without one."""
    try:
        document = json.loads(body) if len(body) <= 1 << 20 else None
    except (ValueError, RecursionError):
        return ""
    return next((name for name in _ID_FIELDS if name in document), "") if isinstance(document, dict) else ""
