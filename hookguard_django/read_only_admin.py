"""A page of Django's admin to read: nothing is edited, and hidden columns are neither shown nor asked about."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.html import format_html

from hookguard.privacy.shown import printable
from hookguard_django.conf import claims_database

__all__ = ["NONE", "ReadOnlyAdmin", "instant", "lines_of", "user_name"]


#: A fact that is missing, as Django shows an empty column. Of a method it would show "None".
NONE: Final = "-"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic when it runs
    """An admin of rows in the store's database, which reads no column of ``hidden`` for a list.

    Deliveries add rows, and stores and workers change them. People change them by actions, each with its own permission.
    """

    hidden: ClassVar[tuple[str, ...]] = ()
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the store's database, without the hidden columns."""
        return super().get_queryset(request).using(claims_database()).defer(*self.hidden)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Return False for a hidden column: by ``?head__regex=…`` a user could read it letter by letter.

        That holds for every user, because no log would show it.
        """
        if lookup.split(LOOKUP_SEP, maxsplit=1)[0] in self.hidden:
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # Django 5.2 has None there, too

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what deletes is an action of its own, so that no user does it as a cleanup."""
        return False


def instant(seconds: float) -> datetime:
    """Return a time of the tables, in seconds since 1970, as Django shows it."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def user_name(request: HttpRequest) -> str:
    """Return the name of the user, for a log line."""
    return printable(request.user.get_username())


def lines_of(text: str) -> str:
    """Return HTML for a text of several lines, with everything escaped that is not plain text."""
    return format_html("<pre>{}</pre>", "\n".join(printable(line) for line in text.split("\n")))
