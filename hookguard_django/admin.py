"""The events in Django's admin: to look at, and to let one run again."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from hookguard_django.models import WebhookEvent

__all__ = ["WebhookEventAdmin"]


@admin.register(WebhookEvent)
class WebhookEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic when it runs
    """A list to read, with one action, which needs the permission ``forget_webhookevent``."""

    list_display = ("event_id", "scope", "state", "attempt", "claimed", "leased", "kept")
    list_filter = ("state", ("scope", admin.AllValuesFieldListFilter))
    search_fields = ("event_id", "scope")
    ordering = ("-expires_at",)
    show_full_result_count = False
    fields = ("scope", "event_id", "state", "attempt", "claimed", "leased", "kept", "id")
    readonly_fields = fields
    actions = ("forget",)

    @admin.display(description="claimed at", ordering="claimed_at")
    def claimed(self, event: WebhookEvent) -> datetime:
        """When the last attempt began."""
        return _instant(event.claimed_at)

    @admin.display(description="lease until", ordering="lease_until")
    def leased(self, event: WebhookEvent) -> datetime:
        """When another worker may take it over, while it is in progress."""
        return _instant(event.lease_until)

    @admin.display(description="kept until", ordering="expires_at")
    def kept(self, event: WebhookEvent) -> datetime:
        """When it is forgotten."""
        return _instant(event.expires_at)

    @admin.action(description="Forget the selected events, so that they may run again", permissions=["forget"])
    def forget(self, request: HttpRequest, events: QuerySet[WebhookEvent]) -> None:
        """Forget events; the provider must send them again."""
        count, _ = events.delete()
        self.message_user(request, f"{count} forgotten: each runs again when its provider sends it again.", messages.SUCCESS)

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Whether the user may let events run again."""
        return request.user.has_perm("hookguard.forget_webhookevent")  # type: ignore[union-attr]  # any user has it

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds events by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forgetting is an action of its own, so that nobody does it by mistake for tidying up."""
        return False


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
