"""Other schemes: of other endpoints and presets, with an older hash, and with other arguments of a user's own preset."""

from __future__ import annotations

from typing import Any

from hookguard.autopsy.case import Case
from hookguard.autopsy.definitions import keys_for, older, redefined
from hookguard.autopsy.finding import Finding, finding
from hookguard.autopsy.others import MAX_ENDPOINTS, key_under, verifiers_of
from hookguard.autopsy.suspects import nearly
from hookguard.presets.registry import get, is_built_in, with_signature_header
from hookguard.schemes.base import Key, Scheme, Verified
from hookguard.schemes.hash import HashScheme
from hookguard.schemes.hmac import HmacScheme

__all__ = ["altered", "of_other_endpoints", "of_other_presets", "older_hash", "own_definition"]

#: The most presets that are named.
MAX_NAMED = 4


def of_other_endpoints(case: Case) -> list[Finding]:
    """Check the delivery as the other endpoints would."""
    for name, endpoint in case.known.endpoints[:MAX_ENDPOINTS]:
        for verifier in verifiers_of(endpoint):
            scheme = verifier.preset.scheme
            keys = verifier.keys_at(case.now)
            if scheme is case.scheme or not keys or hasattr(scheme, "wants"):
                continue
            verified = case.ask(case.delivery, keys, scheme)
            if verified is not None:
                found = finding("other_endpoint", "proved", f"{case.known.place(name)}, secret {verified[0]}")
                return [found, *case.clock(verified, verifier)]
    return []


def older_hash(case: Case) -> list[Finding]:
    """Check a signature with SHA-1 in another header."""
    for name, scheme in older(case.scheme, case.delivery):
        keys = keys_for(scheme, case.own, case.scheme.secret_fields[0])
        if keys and case.ask(case.delivery, keys, scheme) is not None:
            return [finding("older_signature", "proved", f"header {name}, SHA-1")]
    return []


def of_other_presets(case: Case) -> list[Finding]:
    """Check the delivery with the own secrets, as the presets whose header it carries say."""
    matches: list[str] = []
    first: Verified | None = None
    came = [preset for name in case.delivery.headers for preset in with_signature_header(name.lower())]
    for name in dict.fromkeys(came):
        scheme = get(name).scheme
        if name == case.preset.name or scheme is case.scheme or hasattr(scheme, "wants") or len(matches) >= MAX_NAMED:
            continue
        keys = [made for key in case.own if (made := _under(scheme, key)) is not None]
        verified = case.ask(case.delivery, keys, scheme) if keys else None
        if verified is not None:
            matches.append(name)
            first = first or verified
    return [finding("other_preset", "proved", " or ".join(matches)), *case.clock(first)] if first is not None else []


def _under(scheme: Scheme, key: Key) -> Key | None:
    """Return the key made ready for another scheme; None if its secret does not fit."""
    secret = key_under(scheme, key.secret)
    try:
        return None if secret is None else Key(key.name, secret, scheme.prepare(secret))
    except Exception:  # that scheme cannot use the secret
        return None


def own_definition(case: Case) -> list[Finding]:
    """Change arguments of a preset that the user wrote."""
    if is_built_in(case.preset) or type(case.scheme) not in (HmacScheme, HashScheme):
        return []
    scheme: Any = case.scheme
    keys: dict[str, list[Key]] = {}
    for made in redefined(scheme, case.delivery):
        digest = made.scheme.digest
        if digest not in keys:
            keys[digest] = keys_for(made.scheme, case.own, scheme.secret_fields[0])
        if keys[digest] and case.ask(case.delivery, keys[digest], made.scheme) is not None:
            return [finding(code, "proved", made.detail) for code in made.codes]
    return []


def altered(case: Case) -> list[Finding]:
    """Compare the signature that came with the one that each own key makes."""
    for key in () if case.costly else case.own:
        case.judge.look()
        for name in case.scheme.carriers.signature:
            if nearly(case.scheme, case.delivery, key, name):
                return [finding("signature_altered", "proved", name)]
    return []
