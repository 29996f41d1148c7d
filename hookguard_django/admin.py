"""Django's admin: the events, a list to read with an action that lets events run again; the inbox; the deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from hookguard.stores.inbox_server_sql import FOREVER
from hookguard_django.conf import claims_database, endpoints
from hookguard_django.evidence_admin import WebhookDeliveryAdmin
from hookguard_django.inbox_admin import WebhookInboxAdmin
from hookguard_django.models import WebhookEvent, WebhookInbox
from hookguard_django.read_only_admin import NONE, ReadOnlyAdmin, instant

__all__ = ["WebhookDeliveryAdmin", "WebhookEventAdmin", "WebhookInboxAdmin"]

#: Events that are forgotten in one transaction.
FEW: Final = 500

#: The state of an event that has an entry in the inbox.
IN_INBOX: Final = "in the inbox"


class EndpointFilter(admin.SimpleListFilter):
    """The endpoints of the settings. A query for the scopes in the table would read all of it."""

    title = "endpoint"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each endpoint's scope and name."""
        return [(endpoint.scope, name) for name, endpoint in endpoints().endpoints.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Return the events of the endpoint and of its tenants."""
        scope = self.value()
        return queryset if scope is None else queryset.filter(Q(scope=scope) | Q(scope__startswith=f"{scope}/"))


class StateFilter(admin.SimpleListFilter):
    """The states of a claim, and the events that have an entry in the inbox."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each state."""
        return [*((str(value), str(label)) for value, label in WebhookEvent.State.choices), ("inbox", IN_INBOX)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Return the events in the state."""
        state = self.value()
        if state == "inbox":
            return queryset.filter(expires_at__gte=FOREVER)
        return queryset if state is None or not state.isdecimal() else queryset.filter(state=int(state), expires_at__lt=FOREVER)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """A list to read, with one action. The action needs the permission ``forget_webhookevent``."""

    list_display = ("event_id", "scope", "claim", "attempts", "claimed", "leased", "kept")
    list_filter = (StateFilter, EndpointFilter)
    search_fields = ("event_id", "scope")
    ordering = ("-expires_at",)
    fields = ("scope", "event_id", "claim", "attempts", "claimed", "leased", "kept", "id")
    readonly_fields = fields
    actions = ("forget",)
    hidden = ("token", "fingerprint", "reply")

    @admin.display(description="state", ordering="state")
    def claim(self, event: WebhookEvent) -> str:
        """Return the state of the claim; of an event with an entry in the inbox, a link to the entry: that has its state."""
        if not _in_inbox(event):
            return str(WebhookEvent.State(event.state).label)
        entries = reverse(f"{self.admin_site.name}:hookguard_webhookinbox_changelist")
        return format_html('<a href="{}?q={}">{}</a>', entries, event.pk, IN_INBOX)

    @admin.display(description="attempt", ordering="attempt")
    def attempts(self, event: WebhookEvent) -> int | str:
        """Return the number of the last attempt. The entry has the attempts of an event in the inbox."""
        return NONE if _in_inbox(event) else event.attempt

    @admin.display(description="claimed at", ordering="claimed_at")
    def claimed(self, event: WebhookEvent) -> datetime:
        """Return when the last attempt began."""
        return instant(event.claimed_at)

    @admin.display(description="lease until", ordering="lease_until")
    def leased(self, event: WebhookEvent) -> datetime | str:
        """Return when another worker may take over an event in progress."""
        return NONE if _in_inbox(event) else instant(event.lease_until)

    @admin.display(description="kept until", ordering="expires_at")
    def kept(self, event: WebhookEvent) -> datetime | str:
        """Return when the event is forgotten: not before its entry in the inbox is deleted."""
        return NONE if _in_inbox(event) else instant(event.expires_at)

    @admin.action(description="Forget the selected events, so that they may run again", permissions=["forget"])
    def forget(self, request: HttpRequest, events: QuerySet[WebhookEvent]) -> None:
        """Forget events, so that the provider may send them again. The admin's log records the user.

        Done and dead entries of the inbox go with their event; an event with a waiting or held one stays.
        """
        keys, count = list(events.values_list("pk", flat=True)), 0
        for start in range(0, len(keys), FEW):
            count += self._forget(request, keys[start : start + FEW])
        forgotten = "1 event is forgotten: it runs" if count == 1 else f"{count} events are forgotten: they run"
        self.message_user(request, f"{forgotten} again at the next delivery.", messages.SUCCESS)
        if busy := len(keys) - count:
            stays = "1 event waits in the inbox or is" if busy == 1 else f"{busy} events wait in the inbox or are"
            self.message_user(request, f"{stays} being handled: drop the entry, or wait.", messages.WARNING)

    def _forget(self, request: HttpRequest, keys: list[str]) -> int:
        alias = claims_database()
        entries = WebhookInbox.objects.using(alias).filter(key__in=keys)
        with transaction.atomic(using=alias):
            busy = set(entries.filter(due_at__isnull=False).values_list("key", flat=True))
            entries.filter(due_at__isnull=True).exclude(key__in=busy).delete()
            free = WebhookEvent.objects.using(alias).filter(pk__in=[key for key in keys if key not in busy])
            self.log_deletions(request, free)
            return free.delete()[0]

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may forget events."""
        return request.user.has_perm("hookguard.forget_webhookevent")  # type: ignore[union-attr]  # any user has it


def _in_inbox(event: WebhookEvent) -> bool:
    return bool(event.expires_at >= FOREVER)
