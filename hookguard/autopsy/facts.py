"""Facts: causes that are read from the delivery as it came, without a search."""

from __future__ import annotations

from hookguard.autopsy.case import Case
from hookguard.autopsy.finding import Finding, finding
from hookguard.autopsy.headers import is_alike, like_names
from hookguard.autopsy.wrapped import holds_headers
from hookguard.errors import MissingSignature, MissingTimestamp, UnknownKey, UntrustedKeySource
from hookguard.presets.registry import with_signature_header

__all__ = ["certain", "unless_explained"]


def certain(case: Case) -> list[Finding] | None:
    """Return the findings that end the search: none for a genuine and fresh delivery. None if a search is needed."""
    if case.preset.probe is not None and _probes(case):
        return [finding("provider_probe", "fact")]
    if case.verified is not None:
        return case.wrong_unit() or case.clock(case.verified)
    if isinstance(case.refusal, UntrustedKeySource) and (case.known.found is not None or _distrusts(case)):
        return [finding("key_untrusted", "fact")]
    if isinstance(case.refusal, UnknownKey):
        return [finding("key_unknown", "fact")]
    return None


def _probes(case: Case) -> bool:
    try:
        return case.preset.probe is not None and case.preset.probe(case.delivery)
    except Exception:  # the delivery may be anything
        return False


def _distrusts(case: Case) -> bool:
    """Whether the scheme rejects the address of the key, before any key is fetched."""
    try:
        case.verifier.wants(case.delivery)
    except UntrustedKeySource:
        return True
    except Exception:
        return False
    return False


def unless_explained(case: Case) -> list[Finding]:
    """Return the facts that a hypothesis may still explain in another way."""
    carriers, headers = case.scheme.carriers, case.delivery.headers
    body = case.delivery.body
    if carriers.signature and not any(name in headers and headers[name] for name in carriers.signature):
        elsewhere = _other_senders(case)
        if elsewhere:
            return [finding("other_provider", "fact", ", ".join(elsewhere))]
        if len(body) <= case.judge.bounds.rewritten and holds_headers(body):
            return [finding("body_wrapped", "suspected", "the body holds the headers of a request")]
        alike = next(
            (name for name in like_names(case.delivery, carriers.signature[0]) if is_alike(carriers.signature[0], name)), ""
        )
        if alike:
            return [finding("header_renamed", "suspected", f"{carriers.signature[0]} came as {alike}")]
        return [finding("header_missing", "fact", carriers.signature[0])]
    if isinstance(case.refusal, MissingTimestamp):
        return [finding("timestamp_missing", "fact", carriers.timestamp)]
    if isinstance(case.refusal, MissingSignature) and not carriers.signature and case.known.body_read and body:
        return [finding("header_missing", "suspected", case.scheme.where)]
    return []


def _other_senders(case: Case) -> list[str]:
    """Return the presets whose signature header came."""
    ours = set(case.scheme.carriers.all)
    names = [name.lower() for name in case.delivery.headers if name.lower() not in ours]
    return list(dict.fromkeys(preset for name in names for preset in with_signature_header(name)))[:4]
