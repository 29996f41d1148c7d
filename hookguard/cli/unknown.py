"""``hookguard explain --unknown``: which preset or recipe an unknown sender signs with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from hookguard.autopsy.judge import DEEP_UNKNOWN, UNKNOWN
from hookguard.autopsy.unknown import Identified, identify
from hookguard.cli.saved import Saved

__all__ = ["explain_unknown"]

#: The most presets that are named.
MAX_NAMED = 6


def explain_unknown(saved: Saved, secrets: Sequence[str], *, deep: bool, as_json: bool) -> str:
    """Print the preset that fits and the declaration of an own one; return the verdict."""
    found = identify(saved.delivery, secrets, bounds=DEEP_UNKNOWN if deep else UNKNOWN, target=saved.target)
    fits = bool(found.presets) or found.recipe is not None
    verdict = "nothing" if not fits else "explained" if found.findings else "genuine"
    if as_json:
        click.echo(json.dumps(_as_data(found, verdict), indent=2))
    else:
        _print(found, verdict, saved.caution)
    return verdict


def _as_data(found: Identified, verdict: str) -> dict[str, object]:
    return {
        "version": 1,
        "verdict": verdict,
        "presets": list(found.presets),
        "declaration": None if found.recipe is None else found.recipe.declaration(),
        "findings": [each._asdict() for each in found.findings],
        "finished": found.finished,
        "calls": found.calls,
    }


def _print(found: Identified, verdict: str, caution: str) -> None:
    """Print the findings, and then the declaration: with comments before it, so that the whole output is a module."""
    lines = list(_lines(found, verdict, caution))
    if found.recipe is None:
        click.echo("\n".join(lines))
        return
    if found.presets:
        lines += [f"If the sender is not {found.presets[0]}, declare a preset of your own:"]
    click.echo("".join(f"# {line}\n" for line in lines))
    click.echo(found.recipe.declaration(), nl=False)


def _lines(found: Identified, verdict: str, caution: str) -> Iterator[str]:
    first, *others = found.presets[:MAX_NAMED] or ("",)
    if first:
        yield f"{verdict}: the preset {first} fits" + (f"; {', '.join(others)} sign alike" if others else "")
    else:
        yield f"{verdict}: a preset of your own fits" if found.recipe else "not explained"
    for each in found.findings:
        detail = f" ({each.detail})" if each.detail else ""
        yield f"  {each.code} ({each.kind}): {each.sentence}{detail}"
        yield f"    do this: {each.todo}"
    if caution and found.findings:
        yield f"  caution: {caution}"
    left = "" if found.finished else "; a bound was reached: --deep searches longer"
    yield f"  {found.calls} hypotheses tried in {found.seconds * 1000:.0f} ms{left}"
