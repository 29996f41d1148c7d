"""Runs of combining marks, which make Unicode's normalization slow.

``unicodedata.normalize`` sorts each run of marks in a time that grows with the square of its length, and no other thread runs
until it is done. Texts of no language have long runs.
"""

from __future__ import annotations

import re
from unicodedata import combining, normalize

__all__ = ["cut_runs"]

#: The longest run that is kept, as in Unicode's Stream-Safe Text Format (UAX #15, section 13):
#: https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
LONGEST = 30
#: Long enough to hold a longer run. No character below U+0300 is a mark.
_CANDIDATE = re.compile(rf"[^\x00-\u02ff]{{{LONGEST + 1},}}")


def cut_runs(text: str) -> str:
    """Return the text without the marks of each run behind the thirtieth; a text without long runs stays equal."""
    return text if text.isascii() else _CANDIDATE.sub(_cut, text)


def _cut(found: re.Match[str]) -> str:
    kept: list[str] = []
    run = 0
    for each in found[0]:
        # A few characters become marks only when they are normalized.
        run = run + 1 if combining(normalize("NFKD", each)[0]) else 0
        if run <= LONGEST:
            kept.append(each)
    return "".join(kept)
