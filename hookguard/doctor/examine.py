"""Asks every check about an application, and returns the findings in the order of the list."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from hookguard.doctor.addresses import ADDRESS_FINDERS
from hookguard.doctor.application import Application, Finder, remarks_on
from hookguard.doctor.checks import BY_ID, CHECKS, Stage
from hookguard.doctor.online import ONLINE_FINDERS
from hookguard.doctor.providers import PROVIDER_FINDERS
from hookguard.doctor.running import RUNNING_FINDERS
from hookguard.doctor.secrets import SECRET_FINDERS
from hookguard.doctor.settings import SETTING_FINDERS
from hookguard.doctor.stores import STORE_FINDERS
from hookguard.remarks import Level, Remark

__all__ = ["OFFLINE", "Finding", "examine"]

_ORDER: Final = {check.id: number for number, check in enumerate(CHECKS)}


class Finding(NamedTuple):
    """One thing that a check found: the sentence, and the fix. ``silenced`` is the reason in the settings to ignore it."""

    check: str
    level: Level
    sentence: str
    symptom: str
    fix: str
    silenced: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as an object of JSON."""
        return {**self._asdict(), "silenced": self.silenced or None}


def _start(application: Application) -> Iterator[Remark]:
    if application.mistake is not None:
        for remark in remarks_on(application.mistake):
            yield remark._replace(level="error")  # nothing starts
    for name in application.silenced.keys() - BY_ID.keys():
        yield Remark("C1", f"silenced_checks names {name!r}, which is not a check", f"Write one of {', '.join(BY_ID)}", "warning")


_FINDERS: Final = (
    Finder(("C1",), _start),
    *SECRET_FINDERS,
    *PROVIDER_FINDERS,
    *ADDRESS_FINDERS,
    *SETTING_FINDERS,
    *RUNNING_FINDERS,
    *STORE_FINDERS,
    *ONLINE_FINDERS,
)

#: The stages that connect to nothing but the store.
OFFLINE: Final[tuple[Stage, ...]] = ("settings", "routes", "store", "deployment")


def examine(application: Application, stages: Collection[Stage] = OFFLINE) -> list[Finding]:
    """Ask the checks of these stages, and return the findings. A check that raises is a finding, and stops nothing."""
    found: list[Remark] = []
    for finder in (*_FINDERS, *application.finders):
        asked = [name for name in finder.checks if BY_ID[name].stage in stages]
        if not asked:
            continue
        try:
            found += [remark for remark in finder.find(application) if remark.check in asked or remark.check not in finder.checks]
        except Exception as error:
            found.append(_crashed(asked[0], error))
    found.sort(key=lambda remark: _ORDER[remark.check])
    return [_finding(remark, application.silenced) for remark in dict.fromkeys(found)]


def _finding(remark: Remark, silenced: Any) -> Finding:
    check = BY_ID[remark.check]
    fix = remark.fix or check.fix
    return Finding(
        check.id,
        remark.level or check.level,
        remark.sentence,
        check.symptom,
        fix if fix.endswith(".") else f"{fix}.",
        silenced.get(check.id, ""),
    )


def _crashed(check: str, error: Exception) -> Remark:
    # The error's own text is not shown: it may quote a setting.
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Remark(
        check,
        f"this check could not be made: {type(error).__name__} in {last.name}",
        "Please report it as a mistake of hookguard, with the version and the framework.",
        "warning",
    )
