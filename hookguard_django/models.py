"""The table of events, for the migration and the admin; the stores speak SQL to it."""

from __future__ import annotations

from django.db import models

__all__ = ["WebhookEvent"]


class WebhookEvent(models.Model):
    """One event that came: claimed, given back or done. Instants are seconds since 1970, by the database's clock."""

    class State(models.IntegerChoices):
        """What became of the event."""

        RELEASED = 0, "given back"
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
