"""The table of Django's stores, made and dropped on one of the databases of ``django_site``."""

import servers
from django_site import configure

configure()

from django.db import connections

from hookguard_django.models import WebhookEvent


def open_database(alias):
    """An empty table in it, and no waiting for the disk."""
    if alias == "postgresql":
        servers.needs("PostgreSQL")
    elif alias == "mysql":
        servers.needs("MariaDB")
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS hookguard_event")
        cursor.execute(
            {"postgresql": "SET synchronous_commit = off", "sqlite": "PRAGMA synchronous = OFF"}.get(alias, "SELECT 1")
        )
        if alias == "sqlite":
            cursor.execute("PRAGMA journal_mode = WAL")
    with connection.schema_editor() as editor:
        editor.create_model(WebhookEvent)


def close_database(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE hookguard_event")
    connections.close_all()
