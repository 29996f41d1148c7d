"""The events in Django's admin: to look at, and to let one run again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from hookguard_django.conf import claims_database, endpoints
from hookguard_django.models import WebhookEvent

__all__ = ["WebhookEventAdmin"]


class EndpointFilter(admin.SimpleListFilter):
    """The endpoints of the settings: asking the table which there are would read all of it."""

    title = "endpoint"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each endpoint's scope and name."""
        return [(endpoint._scope, name) for name, endpoint in endpoints().endpoints.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Return the events of the endpoint and of its tenants."""
        scope = self.value()
        return queryset if scope is None else queryset.filter(Q(scope=scope) | Q(scope__startswith=f"{scope}/"))


@admin.register(WebhookEvent)
class WebhookEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic when it runs
    """A list to read, with one action, which needs the permission ``forget_webhookevent``."""

    list_display = ("event_id", "scope", "state", "attempt", "claimed", "leased", "kept")
    list_filter = ("state", EndpointFilter)
    search_fields = ("event_id", "scope")
    ordering = ("-expires_at",)
    show_full_result_count = False
    fields = ("scope", "event_id", "state", "attempt", "claimed", "leased", "kept", "id")
    readonly_fields = fields
    actions = ("forget",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        """Return the events, where the store keeps them; what nobody sees here is not read."""
        events: QuerySet[WebhookEvent] = super().get_queryset(request)
        return events.using(claims_database()).defer("token", "fingerprint", "reply")

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
        """Forget events; the provider must send them again. Who did it stands in the admin's log."""
        self.log_deletions(request, events)
        count, _ = events.delete()
        told = "1 event is forgotten: it runs" if count == 1 else f"{count} events are forgotten: they run"
        self.message_user(request, f"{told} again when the provider sends it again.", messages.SUCCESS)

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
