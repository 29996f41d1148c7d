"""Many completions in one statement, on PostgreSQL. Steps, without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hookguard.inbox.contract import split_key
from hookguard.inbox.settings import InboxSettings
from hookguard.stores.inbox_statements import InboxSteps
from hookguard.stores.statements import Statement

__all__ = ["Completion", "completed"]

#: See COMPLETE in inbox_sql.py. One parameter of JSON, because drivers differ in how they send arrays.
_COMPLETE_ALL: Final = """
UPDATE hookguard_inbox i SET state = 2, due_at = NULL, held_line = NULL, changed_at = :now, prune_at = :now + g.keep,
    body = CASE WHEN g.keep > 0 THEN i.body ELSE :nothing END, content = CASE WHEN g.keep > 0 THEN i.content END
FROM json_to_recordset(:given) AS g(id varchar, part varchar, token varchar, keep double precision)
WHERE i.id = g.id AND i.part = g.part AND i.token = decode(g.token, 'hex') AND i.state = 1
RETURNING i.id, i.part, i.token
"""


class Completion(NamedTuple):
    """An entry to complete, by its holder."""

    key: str
    token: bytes
    settings: InboxSettings


def completed(completions: Sequence[Completion], alone: Callable[[Completion], InboxSteps]) -> InboxSteps:
    """Return for each completion whether its token held the entry. ``alone`` completes one that the statement did not find."""
    given = []
    for key, token, settings in completions:
        id, part = split_key(key)  # noqa: A001 - the column's name
        given.append({"id": id, "part": part, "token": token.hex(), "keep": settings.keep})
    rows = yield Statement(_COMPLETE_ALL, {"given": json.dumps(given), "nothing": b""}, fetch=True)
    done = {(id, part, bytes(token)) for id, part, token in rows}  # noqa: A001 - the column's name
    answers: list[bool] = []
    for each in completions:
        found = (*split_key(each.key), each.token) in done
        answers.append(found or (yield from alone(each)))
    return answers
