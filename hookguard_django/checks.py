"""System checks: ``manage.py check`` asks the doctor's checks, and finds the mistakes that would fail the first delivery.

The ids are the doctor's, as in ``hookguard.S1``. Those that ask the store come with ``--database``, those for reading and those
about a proxy with ``--deploy``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004 - Django's own name

from hookguard.doctor import Finding, examine
from hookguard.doctor.checks import BY_ID
from hookguard_django.conf import claims_alias
from hookguard_django.doctor import describe

__all__ = ["check_deployment", "check_settings", "check_store_setting", "check_urls"]

#: Checks whose errors are warnings without ``--deploy``.
_OF_DEPLOYMENT: Final = frozenset({"S2"})

_KINDS: Final = {"error": Error, "warning": Warning, "info": Info}


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the ``HOOKGUARD`` setting by building everything that it describes."""
    project = describe()
    found = [finding for finding in examine(project, ["settings"]) if finding.level != "info"]
    if project.mistake is None:
        # While a project is developed, it may run with a manual's secret: that is an error of --deploy.
        found = [each._replace(level="warning") if each.check in _OF_DEPLOYMENT else each for each in found]
    return _messages(found)


def check_urls(**_: Any) -> list[CheckMessage]:
    """Check every URL whose view is guarded, and the middleware in front."""
    return _messages(finding for finding in examine(describe(), ["routes"]) if finding.level != "info")


def check_store_setting(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check the store, unless it is in a database that the command does not check.

    ``migrate`` and ``test`` run the checks too. Then this one does nothing: ``migrate`` has yet to create the table, and
    ``test`` uses another database.
    """
    if databases is None or sys.argv[1:2] in (["migrate"], ["test"]):
        return []
    project = describe()
    if project.store is None or iscoroutinefunction(project.store.claim):
        return []
    alias = claims_alias(project.store)
    if alias is not None and alias not in databases:
        return []
    return _messages(finding for finding in examine(project, ["store"]) if finding.level != "info")


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Check the settings for a proxy, and report what is for reading, such as the store's guarantees."""
    project = describe()
    if project.mistake is not None:
        return []  # check_settings reports it
    findings = examine(project, ["settings", "routes", "deployment"])
    return _messages(
        each
        for each in findings
        if each.level == "info" or each.check in _OF_DEPLOYMENT or BY_ID[each.check].stage == "deployment"
    )


def _messages(findings: Iterable[Finding]) -> list[CheckMessage]:
    return [
        _KINDS[finding.level](finding.sentence, hint=finding.fix, id=f"hookguard.{finding.check}")
        for finding in findings
        if not finding.silenced
    ]
