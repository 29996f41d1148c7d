"""The texts that senders sign, as templates, the usual ones first."""

from __future__ import annotations

from functools import cache
from itertools import permutations

from hookguard.autopsy.definitions import TEMPLATES
from hookguard.errors import ConfigurationError
from hookguard.schemes.borders import need_borders

__all__ = ["Text", "texts", "with_secret"]

#: Texts between two signed values.
_BETWEEN = (".", "", ":", ",", "\n", "|", "-", "_", " ", ";", "&", "+", "/", "\r\n")
#: Texts in front of all of them.
_VERSIONS = ("v0", "v1", "v2")
_COMBINED = (
    ("timestamp", "body"),
    ("id", "body"),
    ("url", "body"),
    ("timestamp", "id", "body"),
    ("timestamp", "url", "body"),
    ("method", "url", "body"),
    ("id", "url", "body"),
    ("timestamp", "method", "url", "body"),
    ("timestamp", "id", "url", "body"),
)


class Text:
    """A template, split around the body. ``names`` are its placeholders."""

    __slots__ = ("head", "names", "tail", "template")

    def __init__(self, template: str) -> None:
        self.template = template
        self.head, _, self.tail = template.partition("{body}")
        self.names = frozenset(name for name in ("timestamp", "id", "url", "method", "secret") if f"{{{name}}}" in template)


@cache
def texts() -> tuple[Text, ...]:
    """Return the templates without the secret."""
    found = list(TEMPLATES)
    for names in _COMBINED:
        for between in _BETWEEN:
            orders = [between.join(f"{{{name}}}" for name in order) for order in permutations(names)]
            found += orders
            if set(names) <= {"timestamp", "id", "body"}:
                found += [f"{version}{between}{order}" for version in _VERSIONS for order in orders]
    return tuple(Text(each) for each in dict.fromkeys(found) if _has_borders(each))


@cache
def with_secret() -> tuple[Text, ...]:
    """Return the templates of a plain hash: the secret at either end of a text."""
    found = []
    short = [each for each in texts() if each.template in TEMPLATES or len(each.names) <= 1]
    for between in ("", ".", ":", "|", "&"):
        for each in short:
            found += [f"{{secret}}{between}{each.template}", f"{each.template}{between}{{secret}}"]
    return tuple(Text(each) for each in found)


def _has_borders(template: str) -> bool:
    """Whether the template says where each value ends. A scheme rejects it otherwise."""
    pieces = template.replace("}", "{").split("{")
    try:
        need_borders(template, pieces[::2], pieces[1::2])
    except ConfigurationError:
        return False
    return True
