"""The tables of Django's stores, made and dropped on one of the databases of ``django_site``."""

import servers
from django_site import configure

configure()

from django.db import connections

from hookguard_django.models import WebhookDelivery, WebhookEvent, WebhookInbox
from hookguard_django.stores import ORMStore

MODELS = (WebhookEvent, WebhookInbox, WebhookDelivery)


def open_database(alias):
    """Empty tables in it, and no waiting for the disk."""
    if alias == "postgresql":
        servers.needs("PostgreSQL")
    elif alias == "mysql":
        servers.needs("MariaDB")
    connection = connections[alias]
    with connection.cursor() as cursor:
        for model in MODELS:
            cursor.execute(f"DROP TABLE IF EXISTS {model._meta.db_table}")
        cursor.execute(
            {"postgresql": "SET synchronous_commit = off", "sqlite": "PRAGMA synchronous = OFF"}.get(alias, "SELECT 1")
        )
        if alias == "sqlite":
            cursor.execute("PRAGMA journal_mode = WAL")
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)


def wait_for_disk(alias, *, waits=True):
    """Let the commits of this connection wait for the disk, or not."""
    on = {"postgresql": f"SET synchronous_commit = {'on' if waits else 'off'}", "sqlite": f"PRAGMA synchronous = {2 * waits}"}
    with connections[alias].cursor() as cursor:
        cursor.execute(on.get(alias, "SELECT 1"))


def close_database(alias):
    with connections[alias].cursor() as cursor:
        for model in MODELS:
            cursor.execute(f"DROP TABLE {model._meta.db_table}")
    connections.close_all()


def empty(alias):
    """Forget what is in the tables."""
    for model in MODELS:
        model.objects.using(alias).all().delete()


class InOneDatabase:
    """Stores for a contract, in the tables of one database while the tests of a class run."""

    alias = ""

    @classmethod
    def setup_class(cls):
        open_database(cls.alias)

    @classmethod
    def teardown_class(cls):
        close_database(cls.alias)

    def make_store(self, clock):
        empty(self.alias)
        return ORMStore(self.alias, clock=clock)
