"""The findings as lines for people and as JSON for programs, and the exit status that follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from hookguard.doctor.application import Application
from hookguard.doctor.examine import Finding
from hookguard.version import __version__

__all__ = ["PAGE", "as_json", "exit_status", "lines"]

#: The page of the manual with every check.
PAGE: Final = "docs/doctor.md"


def exit_status(findings: Sequence[Finding], *, fail_on_warning: bool) -> int:
    """Return 1 if there is an error, or a warning where those fail; otherwise 0. Silenced findings do not count."""
    bad = {"error", "warning"} if fail_on_warning else {"error"}
    return int(any(finding.level in bad and not finding.silenced for finding in findings))


def lines(application: Application, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines for people: for each finding its level, id and sentence, and below them the fix."""
    for finding in findings:
        if finding.silenced:
            yield f"silenced {finding.check}: {finding.sentence}"
            yield f"  reason: {finding.silenced}"
            continue
        yield f"{finding.level} {finding.check}: {finding.sentence}"
        if finding.level != "info":
            yield f"  otherwise: {finding.symptom}"
            yield f"  fix: {finding.fix}"
    counts = [
        f"{number} {level}{'s' if number != 1 else ''}"
        for level in ("error", "warning")
        if (number := sum(finding.level == level and not finding.silenced for finding in findings))
    ]
    names = len(application.every_endpoint())
    about = f"{application.framework}, {names} endpoint{'s' if names != 1 else ''}"
    yield f"{about}: {' and '.join(counts) or 'no problem was found'}"


def as_json(application: Application, findings: Sequence[Finding], *, fail_on_warning: bool) -> str:
    """Return the findings as a JSON object."""
    said = {
        "ok": exit_status(findings, fail_on_warning=fail_on_warning) == 0,
        "hookguard": __version__,
        "framework": application.framework,
        "endpoints": [endpoint.name for endpoint in application.every_endpoint()],
        "findings": [finding.as_json() for finding in findings],
    }
    return json.dumps(said, indent=2)
