"""The fields and the index of the inbox's table, which are not the same on every database."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

__all__ = ["ExactCharField", "ExactTextField", "NotNullIndex"]


class _Exact:
    """A text that is compared byte for byte: MySQL would confuse "Pay" with "pay". It takes any character."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the type and the collation of the column."""
        found = super().db_parameters(connection)  # type: ignore[misc]  # that of the field
        return {**found, "collation": "utf8mb4_bin"} if connection.vendor == "mysql" else found


class ExactCharField(_Exact, models.CharField):  # type: ignore[type-arg]  # not generic when it runs
    """A CharField that is compared byte for byte."""


class ExactTextField(_Exact, models.TextField):  # type: ignore[type-arg]  # not generic when it runs
    """A TextField that is compared byte for byte."""


class NotNullIndex(models.Index):
    """An index of the rows in which the field ``of`` is not null; MySQL has no such indexes, so there it is of all rows.

    An Index with a condition would be left out on MySQL.
    """

    def __init__(self, *expressions: Any, of: str, **options: Any) -> None:
        super().__init__(*expressions, **options)
        self.of = of

    def deconstruct(self) -> Any:
        """Return what a migration writes."""
        path, expressions, options = super().deconstruct()
        return path, expressions, {**options, "of": self.of}

    def create_sql(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **more: Any) -> Any:
        """Return the statement."""
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **more)
        partial = models.Index(fields=self.fields, name=self.name, condition=models.Q((f"{self.of}__isnull", False)))
        return partial.create_sql(model, schema_editor, using, **more)
