"""A shop whose views write by Django's ORM in transactional mode, behind Django's own request handling."""

import itertools
import json
import os

from django.db import connections, models
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django_site import site
from django_tables import close_database, open_database

from hookguard import presets
from hookguard_django import webhook
from hookguard_django.models import WebhookEvent
from hookguard_django.stores import ORMTransactionStore

SECRET = "a-secret-that-is-long-enough"
ALIASES = ("sqlite", "postgresql", "mysql")

_numbers = itertools.count(1)


class Effect(models.Model):  # noqa: DJ008
    """The effect of a view: one row an event, and nothing in the table forbids a second one."""

    event_id = models.CharField(max_length=80)

    class Meta:
        app_label = "shop"
        db_table = "hookguard_shop_effect"


class Taken(models.Model):  # noqa: DJ008
    """One row that is there, so that adding it again is a database error."""

    class Meta:
        app_label = "shop"
        db_table = "hookguard_shop_taken"


class Child(models.Model):  # noqa: DJ008
    """Refers to a row that must be there when the transaction commits, where the database can put that off."""

    parent = models.ForeignKey(Taken, models.DO_NOTHING)

    class Meta:
        app_label = "shop"
        db_table = "hookguard_shop_child"


MODELS = (Effect, Taken, Child)


def fresh_id():
    return f"evt_{os.getpid()}_{next(_numbers)}"


def open_shop(alias):
    open_database(alias)
    connection = connections[alias]
    with connection.cursor() as cursor:
        for model in reversed(MODELS):
            cursor.execute(f"DROP TABLE IF EXISTS {model._meta.db_table}")
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    Taken(id=1).save(using=alias, force_insert=True)


def close_shop(alias):
    with connections[alias].schema_editor() as editor:
        for model in reversed(MODELS):
            editor.delete_model(model)
    close_database(alias)


def send(event_id, url="/hook", **fields):
    """Deliver it; the status of the answer."""
    delivery = presets.STRIPE.sign(json.dumps({"id": event_id, "type": "paid", **fields}).encode(), SECRET)
    client = Client(raise_request_exception=False)
    headers = dict(delivery.headers.items())
    return client.post(url, delivery.body, content_type="application/json", headers=headers).status_code


def truth(alias, event_id):
    """How many effects there are, and whether the event is done."""
    effects = Effect.objects.using(alias).filter(event_id=event_id).count()
    return effects, WebhookEvent.objects.using(alias).filter(event_id=event_id, state=2).exists()


class Shop:
    """A site with one guarded view, whose work is changed by each test."""

    def __init__(self, alias, *, atomic_requests=False, store=None, inbox=False):
        self.alias = alias
        self._inbox = inbox
        self.store = store if store is not None else ORMTransactionStore(alias)
        self.work = self.good
        self._atomic_requests = atomic_requests

    def good(self, event_id):
        Effect(event_id=event_id).save(using=self.alias)

    def send(self, event_id, work=None):
        self.work = work or self.good
        return send(event_id)

    def truth(self, event_id):
        return truth(self.alias, event_id)

    def view(self, request):
        answer = self.work(request.webhook.id)
        return answer if isinstance(answer, HttpResponse) else HttpResponse()

    def __enter__(self):
        connections.settings[self.alias]["ATOMIC_REQUESTS"] = self._atomic_requests
        hooks = {"ENDPOINTS": {"stripe": {"SECRETS": [SECRET], "INBOX": self._inbox}}, "STORE": self.store}
        self._site = site(path("hook", webhook("stripe")(self.view)), HOOKGUARD=hooks)
        self._site.__enter__()
        return self

    def __exit__(self, *error):
        self._site.__exit__(*error)
        connections.settings[self.alias]["ATOMIC_REQUESTS"] = False
