"""Vectors as data, and what is done with one.

A file ``<provider>.json`` here holds those whose bodies are short: the ``preset``, the ``source`` and the day it was
``checked``, and ``cases``. The others, whose bodies are files of other projects, are read from the folder that
HOOKGUARD_VECTORS names: ``elsewhere_payments.py`` and ``elsewhere_platforms.py`` make cases of them. A case has

``id``
    where it comes from; unique within a preset
``preset``
    where it is not the file's
``secret``
    as the provider shows it: a text, an object of fields, or a list of several
``headers``; ``body``, ``body_base64`` or ``form`` (a list of pairs); ``url``; ``method``
    the delivery; a form is encoded and gets its content type, unless the headers say otherwise
``now``
    the clock; without it the delivery is verified at the time it was signed
``tolerance``
    seconds a timestamp may be off, where the vector's own verifier has another tolerance than the preset
``valid``
    what must be said; ``error`` names the rejection's class where it matters
``document``
    the text of the key document that the guard would fetch: it is read as then, at the case's time
``event``
    what the event must show: any of ``id``, ``type`` and ``timestamp``; ``content`` is what the opened
    envelope holds: its text, or the JSON in it
``reply``
    for a challenge: what must be answered, ``status`` and ``body``
``signer``
    the secret to sign with where it is not the one to verify with (a private key); false where nobody published it
``draft_id``
    the id, or nonce, to sign with, where it is not that of the scheme's id header
``written``
    lower-case headers that signing writes besides those the scheme describes
``random``
    true where two signatures over the same bytes differ, so that signing again is only verified again
``made``
    true where the signature was made by us, of a provider's own constants and recipe: it proves less than a published one
``digest``, ``encoding``
    Convoy's choices
``comment``
    what a reader should know
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hookguard import Delivery, Event, Preset, Secret, Verifier, presets, secret
from hookguard.errors import ConfigurationError
from hookguard.preset import make_keys
from hookguard.presets.convoy import convoy_scheme
from hookguard.schemes import Draft, Key

Case = dict[str, Any]


def kept() -> list[Case]:
    """Every case of the data files here."""
    found: list[Case] = []
    for path in sorted(Path(__file__).parent.glob("*.json")):
        file = json.loads(path.read_text("utf-8"))
        for case in file["cases"]:
            case.setdefault("preset", file["preset"])
            found.append(case)
    return found


def preset_of(case: Case) -> Preset:
    preset = presets.get(case["preset"])
    if "digest" in case:
        scheme = convoy_scheme(case["digest"], case["encoding"], advanced=preset is presets.CONVOY_ADVANCED)
        preset = dataclasses.replace(preset, scheme=scheme)
    return preset


def body_of(case: Case) -> bytes:
    if "form" in case:
        return urlencode(case["form"]).encode()
    return base64.b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode()


def headers_of(case: Case) -> dict[str, str]:
    headers = dict(case.get("headers") or {})
    if "form" in case and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return headers


def delivery_of(case: Case) -> Delivery:
    return Delivery(body_of(case), headers_of(case), case.get("method") or "POST", case.get("url") or "")


def secrets_of(given: Any) -> list[Secret]:
    return [Secret.of(**one) if isinstance(one, dict) else Secret(one) for one in (given if isinstance(given, list) else [given])]


def found_of(case: Case, keys: Sequence[Key]) -> dict[str, Any]:
    """The keys that the guard would fetch for this delivery."""
    if "document" not in case:
        return {}
    wanted = preset_of(case).scheme.wants(delivery_of(case), keys)  # type: ignore[attr-defined]
    return {"found": wanted.read(case["document"].encode(), case["now"])[wanted.id]}


@contextmanager
def weak_secrets(preset: Preset, given: Any) -> Iterator[None]:
    """Lets a published secret pass that is too weak to be used; any other is checked by the library itself."""
    checks = {"_check_key": lambda key: None, "SHORT": 0}
    try:
        make_keys(preset, secrets_of(given))
        checks = {}
    except ConfigurationError:
        pass
    usual = {name: getattr(secret, name) for name in checks}
    try:
        for name, value in checks.items():
            setattr(secret, name, value)
        yield
    finally:
        for name, value in usual.items():
            setattr(secret, name, value)


def verify(case: Case) -> Event:
    """Verify a case as a user would; raises what the verifier raises."""
    preset = preset_of(case)
    with weak_secrets(preset, case["secret"]):
        keys = make_keys(preset, secrets_of(case["secret"]))
        delivery = delivery_of(case)
        clock: Callable[[], float]
        if "now" in case:
            clock = lambda: case["now"]  # noqa: E731
        else:
            signed = preset.scheme.verify(delivery, keys, **found_of(case, keys))[1] or 0.0
            clock = lambda: signed  # noqa: E731
        own = {"tolerance": case["tolerance"]} if "tolerance" in case else {}
        return Verifier(preset, secrets_of(case["secret"]), clock=clock, **own).verify(delivery, **found_of(case, keys))


def sign_again(case: Case) -> tuple[dict[str, str], Delivery]:
    """Sign a case's delivery again: the published headers in lower case, and what we made of the rest of them."""
    preset = preset_of(case)
    scheme: Any = preset.scheme
    given = case.get("signer", case["secret"])
    published = {name.lower(): value for name, value in headers_of(case).items()}
    places = [getattr(scheme, name, None) for name in ("id", "timestamp")]
    own = {scheme.required_header, *(getattr(place, "name", "").lower() for place in places), *case.get("written", ())}
    with weak_secrets(preset, given):
        keys = make_keys(preset, secrets_of(given))
        stamp = verify(case).timestamp or 0.0
        draft_id = case.get("draft_id") or (published.get(places[0].name.lower(), "") if hasattr(places[0], "name") else "")
        drafted = {name: value for name, value in headers_of(case).items() if name.lower() not in own}
        draft = Draft(body_of(case), drafted, case.get("method") or "POST", case.get("url") or "", draft_id, stamp)
        return published, scheme.sign(draft, keys)
