"""The page of providers, generated from the presets. A test fails if the page and the presets differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise
from typing import Any

from hookguard import Preset
from hookguard.facts import MIB, Fact, Facts
from hookguard.place import EachDelivery, in_words

__all__ = ["checked", "duration", "habits", "id_signed", "identity", "page", "proof", "size", "why_tolerance", "yes"]

_INTRODUCTION = """# Providers

Every preset, and how its provider delivers: what the provider's own pages say, with the page and the day it was read.
A fact that no page states is marked *not stated*; a value assumed for it is on the cautious side. `hookguard presets` prints the
table in a terminal, `hookguard presets --markdown` writes this page.

*Identity* is what makes two deliveries the same event ([What "once" means](once.md)). An attacker with a captured delivery
cannot change an id that is *signed*. *Body unsigned* means that no signature covers the body: only a shared token, or a
signature over the time or the URL, authenticates the delivery. Anyone who learns it can send any event with any id, so the id
only separates honest deliveries from each other. *Within* is how far a signed timestamp may be off, in both directions.
*Retries for* is the time from the first attempt to the last automatic one, and *waits* is how long an answer may take. A star
marks an assumed value. A *batch* carries several events; each is handled separately. *Proved by* is the outside evidence in
our tests: a published vector, or the provider's official package. *Unconfirmed* presets list the unknown facts in their
section, and warn when they are used.

*Lease*, *retention*, *tolerance* and *body limit* are what an endpoint uses by default ([Settings](settings.md)). The lease is
twice the time the provider waits for an answer, and at least a minute. The retention is one and a quarter times the time from
the first try to the last automatic one, plus a day. It is at least a week, and at least twice as long as a timestamp may be
off. A delivery sent again by hand after that runs again. The tolerance is five minutes. If no page states that a retry has a
new timestamp and signature, the last retry may be as old as the first try. Then the tolerance grows by the time to the last
automatic try and a quarter of it. The body limit is what the provider states, and at least 1 MiB. A preset of your own: [Your
own provider](own-provider.md).
A preset that needs an extra beside the framework's and the store's names it in its section. An endpoint also names it when it is
made.

"""

_COLUMNS = (
    *("preset", "where the signature is", "what is signed", "within", "event id", "type", "identity"),
    *("retries for", "waits", "challenge", "batch", "proved by", "checked"),
)


def page(presets: Iterable[Preset]) -> str:
    """Return the page in Markdown."""
    presets = list(presets)
    rows = [_row(preset) for preset in presets]
    sections = [_section(preset, _told_before(preset, presets)) for preset in presets]
    head = [_cells(_COLUMNS), _cells(["---"] * len(_COLUMNS))]
    return _INTRODUCTION + "\n".join([*head, *rows]) + "\n" + "".join(sections)


def _told_before(preset: Preset, presets: list[Preset]) -> str | None:
    """Return the name of the first preset with the same facts, if it is another preset."""
    if preset.facts is None:
        return None
    first = next(other for other in presets if other.facts is preset.facts)
    return None if first is preset else first.name


def _row(preset: Preset) -> str:
    scheme = preset.scheme
    window = duration(preset.tolerance) if scheme.signs_timestamp else "-"
    covered = {"yes": " (signed)", "body unsigned": " (body unsigned)"}.get(id_signed(preset), "")
    cells = (
        f"[`{preset.name}`](#{preset.name})" + ("" if preset.confirmed else " (unconfirmed)"),
        scheme.where,
        scheme.what,
        window,
        f"{in_words(preset.event_id)}{covered}" if preset.event_id else "-",
        in_words(preset.event_type) if preset.event_type else "-",
        identity(preset),
        *habits(preset),
        proof(preset),
        checked(preset),
    )
    return _cells(cells)


def identity(preset: Preset) -> str:
    """Return what makes two deliveries the same event, and what the id is unique inside."""
    within = " and ".join(map(in_words, preset.id_scope))
    return f"{preset.identity or 'id'}, within {within}" if within else preset.identity or "id"


def id_signed(preset: Preset) -> str:
    """Return whether the signature covers the id: ``-`` where none is looked for, ``body unsigned`` where it covers no body."""
    if preset.event_id is None or preset.event_id == EachDelivery():
        return "-"
    if preset.id_covered:
        return "yes"
    return "no" if preset.body_covered else "body unsigned"


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def habits(preset: Preset) -> tuple[str, str, str, str]:
    """Return how long it retries and waits, with ``*`` for what is assumed, and whether it has a challenge and batches."""
    facts = preset.facts
    return (
        _starred(facts.horizon) if facts else "-",
        _starred(facts.timeout) if facts else "-",
        "yes" if preset.challenge else "-",
        "yes" if preset.batch else "-",
    )


def proof(preset: Preset) -> str:
    """Return the outside evidence for the preset."""
    return ", ".join({"vector": "vector", "sdk": "SDK"}[kind] for kind in preset.proof) or "-"


def checked(preset: Preset) -> str:
    """Return the day on which one of its facts was last checked."""
    facts = preset.facts
    return max(getattr(facts, each.name).checked for each in fields(Facts)) if facts else "-"


def _starred(fact: Fact[Any]) -> str:
    return duration(fact.value) + ("" if fact.confirmed or fact.value is None else " *")


def _section(preset: Preset, told_before: str | None) -> str:
    facts = preset.facts
    page_of = "The provider's page on its signatures" if facts else "Where its tokens come from"
    about = [f"{preset.title}. [{page_of}]({preset.docs})."]
    if preset.note:
        about.append(preset.note)
    if preset.challenge is not None:
        about.append("Its challenge is answered for you.")
    if preset.batch is not None:
        about.append(f"A delivery may carry several events, up to {preset.batch.limit:,}. Each is handled separately.")
    if preset.doubt:
        about.append(f"**Unconfirmed**: {preset.doubt}.")
    if preset.extras:
        about.append(f"Needs the extra{'s' * (len(preset.extras) > 1)} {' and '.join(f'`{extra}`' for extra in preset.extras)}.")
    if signing := _signing(preset):
        about.append(signing)
    lines = ["", f"## {preset.name}", "", " ".join(about), ""]
    if facts is None:
        lines += ["There is no single provider, so the delivery facts are unknown."]
    elif told_before is not None:
        lines += [f"It delivers as [{told_before}](#{told_before}) does."]
    else:
        lines += _facts(facts)
    if preset.batch is not None and preset.batch.largest.source:
        largest = preset.batch.largest
        lines += ["", _fact("Most events in one delivery", largest, f"{largest.value or 0:,}")]
    lines.append("")
    retention = preset.retention(preset.tolerance if preset.scheme.signs_timestamp else None)
    lines.append(
        f"So: a lease of {duration(preset.lease)}, a retention of {duration(retention)}, a body limit of {size(preset.max_body)}."
    )
    if preset.scheme.signs_timestamp:
        lines.append(f"The tolerance is {duration(preset.tolerance)}: {why_tolerance(preset)}.")
    return "\n".join(lines) + "\n"


def _signing(preset: Preset) -> str:
    """Return what tests sign with, where that is not what an endpoint verifies with."""
    if preset.scheme.signs_privately:
        return "[Tests sign](testing.md#public-keys) with a private key in place of the public one."
    for_tests = [f"`{name}`" for name in preset.scheme.optional_fields if name in _FOR_TESTS]
    if not for_tests:
        return ""
    return f"[Tests sign](testing.md#keys-that-the-provider-publishes) with {', '.join(for_tests)} in the secret."


#: Fields of a secret that only tests have: nobody but the provider signs otherwise.
_FOR_TESTS = ("private_key", "key_id", "certificates", "root_fingerprint")


def _facts(facts: Facts) -> list[str]:
    last = "no automatic retry" if facts.horizon.value == 0 else duration(facts.horizon.value)
    return [
        _fact("Failed deliveries are retried", facts.schedule, facts.schedule.value),
        _fact("Last automatic try after", facts.horizon, last),
        _fact("Waits for the answer", facts.timeout, duration(facts.timeout.value)),
        _fact("Answers", facts.statuses, facts.statuses.value),
        _fact("A retry has a new timestamp and signature", facts.resigned, yes(facts.resigned.value)),
        _fact("A retry has the same body", facts.stable_body, yes(facts.stable_body.value)),
        _fact("A retry has the same id", facts.stable_id, yes(facts.stable_id.value)),
        _fact("Largest body", facts.largest_body, size(facts.largest_body.value)),
        _fact("List of its networks", facts.networks, facts.networks.value or "?"),
    ]


def why_tolerance(preset: Preset) -> str:
    """Return in words where the tolerance comes from."""
    facts = preset.facts
    if facts is None or preset.tolerance != facts.tolerance:
        return "as the preset says"
    if facts.signs_retries:
        return "each retry has a timestamp of its own"
    if not facts.horizon.value:
        return "there is no automatic retry"
    return f"retries come for {duration(facts.horizon.value)}, and no page states that they are signed once more"


def size(count: int | None) -> str:
    """Write bytes as people do."""
    if count is None:
        return "?"
    for unit, factor in (("MiB", MIB), ("KiB", 1 << 10), ("MB", 1_000_000), ("kB", 1000)):
        if count >= factor and count % factor == 0:
            return f"{count // factor:,} {unit}"
    return f"{count:,} bytes"


def _fact(what: str, fact: Fact[Any], text: str) -> str:
    if fact.confirmed:
        return f"- {what}: {text} ([source]({fact.source}), {fact.checked})"
    assumed = "" if fact.value is None else f"; assumed: {text}"
    return f"- {what}: *not stated*{assumed} ([looked here]({fact.source}), {fact.checked})"


def yes(value: bool | None) -> str:
    """Return yes, no or a question mark."""
    return "?" if value is None else "yes" if value else "no"


def duration(seconds: float | None) -> str:
    """Write seconds in the unit people use for them, or in two where one would need many digits; what is less is left out."""
    if seconds is None:
        return "?"
    if not seconds:
        return "never"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (unit, size), (smaller, part) in pairwise(units):
        if seconds >= size:
            short = f"{seconds / size:.3g}"
            if float(short) * size == seconds:
                return f"{short} {unit}"
            whole, rest = divmod(seconds, size)
            return f"{whole:.0f} {unit}" + (f" {rest // part:.0f} {smaller}" if rest >= part else "")
    return f"{seconds:.3g} s"
