"""The tables of events, of the inbox and of deliveries, for the migrations and the admin. The stores use SQL of their own."""

from __future__ import annotations

from django.db import models

from hookguard.privacy.shown import printable
from hookguard_django.columns import ExactCharField, ExactTextField, NotNullIndex

__all__ = ["WebhookDelivery", "WebhookEvent", "WebhookInbox"]


class WebhookEvent(models.Model):
    """One event: in progress, released or done. Instants are seconds since 1970, by the database's clock."""

    class State(models.IntegerChoices):
        """The state of the event's claim."""

        RELEASED = 0, "released"
        IN_PROGRESS = 1, "in progress"
        DONE = 2, "done"

    id = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of scope and event id")
    scope = models.CharField(max_length=255, help_text="provider, endpoint and tenant")
    event_id = models.CharField("event id", max_length=255)
    state = models.IntegerField(choices=State.choices)
    token = models.BinaryField()
    fingerprint = models.BinaryField()
    claimed_at = models.FloatField()
    lease_until = models.FloatField()
    expires_at = models.FloatField()
    attempt = models.IntegerField()
    reply = models.BinaryField(null=True)

    class Meta:
        """The same table as the SQLAlchemy store's, so that an application may use both."""

        db_table = "hookguard_event"
        verbose_name = "webhook event"
        default_permissions = ("view",)
        permissions = (("forget_webhookevent", "Can forget a webhook event, so that it may run again"),)
        indexes = (models.Index(fields=["expires_at"], name="hookguard_event_expiry"),)

    def __str__(self) -> str:
        """Return the scope and the id."""
        return f"{self.scope} {self.event_id}"


class WebhookInbox(models.Model):
    """One entry of the inbox: an event that was answered, and is handled by a worker. Instants are as in WebhookEvent."""

    class State(models.IntegerChoices):
        """The state of the entry."""

        WAITING = 0, "waiting"
        HELD = 1, "held"
        DONE = 2, "done"
        DEAD = 3, "dead"

    seq = models.BigAutoField(primary_key=True)
    key = models.CharField(db_column="id", max_length=64, help_text="the event's primary key")
    part = ExactCharField(max_length=64)
    endpoint = ExactCharField(max_length=255)
    scope = ExactCharField(max_length=255, help_text="provider, endpoint and tenant")
    event_id = ExactCharField("event id", max_length=255)
    event_type = ExactCharField("event type", max_length=255)
    state = models.SmallIntegerField(choices=State.choices)
    due_at = models.FloatField(null=True)
    token = models.BinaryField(null=True)
    attempt = models.IntegerField()
    crashes = models.IntegerField()
    received_at = models.FloatField()
    changed_at = models.FloatField()
    prune_at = models.FloatField(null=True)
    retention = models.FloatField()
    line = models.CharField(max_length=64, null=True)  # noqa: DJ001 - null: the entry has no line
    held_line = models.CharField(max_length=64, null=True)  # noqa: DJ001 - null: nobody holds the line
    reason = ExactCharField(max_length=1024, null=True)
    head = ExactTextField()
    body = models.BinaryField()
    content = models.BinaryField(null=True)

    class Meta:
        """The same table as the SQLAlchemy store's."""

        db_table = "hookguard_inbox"
        verbose_name = "inbox entry"
        verbose_name_plural = "inbox entries"
        default_permissions = ("view",)
        permissions = (
            ("open_webhookinbox", "Can see the body of an inbox entry"),
            ("rerun_webhookinbox", "Can make a done or dead inbox entry due again"),
            ("drop_webhookinbox", "Can delete an inbox entry"),
        )
        constraints = (
            models.UniqueConstraint(fields=["key", "part"], name="hookguard_inbox_entry"),
            models.UniqueConstraint(fields=["held_line"], name="hookguard_inbox_held"),
        )
        indexes = (
            NotNullIndex(of="due_at", fields=["endpoint", "part", "state", "due_at"], name="hookguard_inbox_due"),
            NotNullIndex(of="due_at", fields=["line", "seq"], name="hookguard_inbox_line"),
            NotNullIndex(of="prune_at", fields=["prune_at", "endpoint", "part", "state"], name="hookguard_inbox_prune"),
        )

    def __str__(self) -> str:
        """Return the endpoint, the type and the id."""
        return printable(f"{self.endpoint} {self.event_type} {self.event_id}")


class WebhookDelivery(models.Model):
    """The record of one delivery, if its endpoint has ``EVIDENCE``. Instants are seconds since 1970."""

    seq = models.BigAutoField(primary_key=True)
    delivery = models.CharField(max_length=32, unique=True, help_text="the log shows the first six digits")
    at = models.FloatField()
    endpoint = ExactCharField(max_length=255)
    provider = ExactCharField(max_length=255)
    tenant = ExactCharField(max_length=255)
    outcome = ExactCharField(max_length=32)
    status = models.IntegerField(null=True)
    reason_code = ExactCharField(max_length=64)
    findings = ExactCharField(max_length=1024)
    secret = ExactCharField(max_length=255, help_text="the name of the secret that matched")
    scheme = ExactCharField(max_length=255)
    event_id = ExactCharField("event id", max_length=255)
    event_type = ExactCharField("event type", max_length=255)
    attempt = models.IntegerField()
    duration = models.FloatField()
    signed_at = models.FloatField(null=True)
    body_size = models.BigIntegerField()
    body_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)
    signature_sha256 = models.CharField(max_length=64, help_text="16 digits, to find the same signature again")
    headers = ExactTextField()
    address = models.CharField(max_length=64)
    note = ExactCharField(max_length=1024)
    keep_until = models.FloatField()
    body_until = models.FloatField(null=True)
    head = ExactTextField(null=True)
    body = models.BinaryField(null=True)

    class Meta:
        """The same table as the SQLAlchemy store's."""

        db_table = "hookguard_delivery"
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        default_permissions = ()
        permissions = (
            ("view_delivery", "Can see the records of webhook deliveries"),
            ("view_delivery_body", "Can see the kept body of a webhook delivery"),
        )
        indexes = (
            models.Index(fields=["endpoint", "outcome", "at"], name="hookguard_delivery_hour"),
            models.Index(fields=["event_id"], name="hookguard_delivery_event"),
            models.Index(fields=["keep_until"], name="hookguard_delivery_keep"),
            NotNullIndex(of="body_until", fields=["body_until"], name="hookguard_delivery_body"),
        )

    def __str__(self) -> str:
        """Return the beginning of its name, the endpoint and the outcome."""
        return printable(f"{self.delivery[:6]} {self.endpoint} {self.outcome}")
