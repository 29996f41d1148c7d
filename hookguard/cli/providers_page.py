"""The page of providers: what is known of each, from the presets themselves, so that it cannot go stale unseen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise
from typing import Any

from hookguard import Preset
from hookguard.place import EachDelivery, in_words
from hookguard.profile import Fact, Profile

__all__ = ["checked", "duration", "habits", "id_signed", "page", "proof"]

_INTRODUCTION = """# Providers

Every preset, and how its provider delivers: what the provider's own pages say, with the page and the day it was read.
What no page says is marked *not stated*; a value assumed for it is on the cautious side. `hookguard presets` prints the
table in a terminal, `hookguard presets --markdown` writes this page.

*Identity* is what makes two deliveries the same event ([What "once" means](once.md)). An id that is *signed* cannot be
exchanged by someone who captured a delivery. *Body unsigned* says that no signature covers the body at all: a shared token, or
a signature over the time or the URL, vouches for the whole delivery, and whoever learns it can send any event under any id; the
id then only tells honest deliveries apart. *Within* is how far a signed timestamp may be off, both ways. *Retries for* is
the time from the first try to the last automatic one, and *waits* how long an answer may take; a star marks what is assumed.
A *batch* carries several events, each of which is handled by itself. *Proved by* is what judges the preset in our tests that
we did not write: a published vector, or the provider's official package. *Unconfirmed* presets say what is not known in
their section, and warn when they are used.

*Lease* and *retention* are what an endpoint uses unless it is told otherwise ([Settings](settings.md)). The lease is twice
the time the provider waits for an answer, and at least a minute. The retention is one and a quarter times the
time from the first try to the last automatic one, plus a day, at least a week, and at least twice what a timestamp may be
off; a delivery sent again by hand after that runs again. A preset of your own: [Your own provider](own-provider.md).
Those that need an extra beside the framework's and the store's name it in their section; an endpoint says so as well when it is
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
    """Return the first preset's name with the very same facts, if that is another one."""
    if preset.profile is None:
        return None
    first = next(other for other in presets if other.profile is preset.profile)
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
        preset.identity or "id",
        *habits(preset),
        proof(preset),
        checked(preset),
    )
    return _cells(cells)


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
    profile = preset.profile
    return (
        _starred(profile.horizon) if profile else "-",
        _starred(profile.timeout) if profile else "-",
        "yes" if preset.challenge else "-",
        "yes" if preset.batch else "-",
    )


def proof(preset: Preset) -> str:
    """Return what judges the preset besides ourselves."""
    return ", ".join({"vector": "vector", "sdk": "SDK"}[kind] for kind in preset.proof) or "-"


def checked(preset: Preset) -> str:
    """Return the day on which one of its facts was last looked at."""
    profile = preset.profile
    return max(getattr(profile, each.name).checked for each in fields(Profile)) if profile else "-"


def _starred(fact: Fact[Any]) -> str:
    return duration(fact.value) + ("" if fact.confirmed or fact.value is None else " *")


def _section(preset: Preset, told_before: str | None) -> str:
    profile = preset.profile
    page_of = "The provider's page on its signatures" if profile else "Where its tokens come from"
    about = [f"{preset.title}. [{page_of}]({preset.docs})."]
    if preset.note:
        about.append(preset.note)
    if preset.challenge is not None:
        about.append("Its challenge is answered for you.")
    if preset.batch is not None:
        about.append("A delivery may carry several events, and each is handled by itself.")
    if preset.doubt:
        about.append(f"**Unconfirmed**: {preset.doubt}.")
    if preset.extras:
        about.append(f"Needs the extra{'s' * (len(preset.extras) > 1)} {' and '.join(f'`{extra}`' for extra in preset.extras)}.")
    if signing := _signing(preset):
        about.append(signing)
    lines = ["", f"## {preset.name}", "", " ".join(about), ""]
    if profile is None:
        lines += ["No provider stands behind it, so nothing is known of how it delivers.", ""]
    elif told_before is not None:
        lines += [f"It delivers as [{told_before}](#{told_before}) does.", ""]
    else:
        lines += [*_facts(profile), ""]
    retention = preset.retention(preset.tolerance if preset.scheme.signs_timestamp else None)
    lines.append(f"So: a lease of {duration(preset.lease)}, a retention of {duration(retention)}.")
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


def _facts(profile: Profile) -> list[str]:
    last = "there is none" if profile.horizon.value == 0 else duration(profile.horizon.value)
    return [
        _fact("Failed deliveries are tried again", profile.schedule, profile.schedule.value),
        _fact("Last automatic try after", profile.horizon, last),
        _fact("Waits for the answer", profile.timeout, duration(profile.timeout.value)),
        _fact("Answers", profile.statuses, profile.statuses.value),
        _fact("A retry has a new timestamp and signature", profile.resigned, _yes(profile.resigned.value)),
        _fact("A retry has the same body", profile.stable_body, _yes(profile.stable_body.value)),
        _fact("List of its networks", profile.networks, profile.networks.value or "?"),
    ]


def _fact(what: str, fact: Fact[Any], text: str) -> str:
    if fact.confirmed:
        return f"- {what}: {text} ([source]({fact.source}), {fact.checked})"
    assumed = "" if fact.value is None else f"; assumed: {text}"
    return f"- {what}: *not stated*{assumed} ([looked here]({fact.source}), {fact.checked})"


def _yes(value: bool | None) -> str:
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
