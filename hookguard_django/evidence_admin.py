"""The records of deliveries in Django's admin: a list to read, and one record, with its body behind a permission."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, get_args

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timesince import timesince

from hookguard.autopsy.finding import advice
from hookguard.evidence.contract import SHOWN
from hookguard.evidence.notes import last_replay
from hookguard.inbox.hidden import shown_body
from hookguard.outcome import OutcomeName
from hookguard.privacy.shown import printable
from hookguard_django.conf import claims_database, endpoints
from hookguard_django.inbox_admin import InboxEndpointFilter, body_lines
from hookguard_django.models import WebhookDelivery
from hookguard_django.read_only_admin import NONE, ReadOnlyAdmin, instant, lines_of, user_name
from hookguard_django.stores import ORMStore

__all__ = ["WebhookDeliveryAdmin"]

_log = logging.getLogger("hookguard.evidence")

#: The spans of time of the filter, in seconds.
_SPANS: Final = {"hour": 3600, "day": 86_400, "week": 604_800}


class OutcomeFilter(admin.SimpleListFilter):
    """Every outcome that a delivery may have."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each outcome."""
        return [(name, name) for name in get_args(OutcomeName)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        """Return the deliveries with the outcome."""
        return queryset if self.value() is None else queryset.filter(outcome=self.value())


class RecentFilter(admin.SimpleListFilter):
    """The deliveries of the last hour, day or week."""

    title = "time"
    parameter_name = "recent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each span."""
        return [(name, f"the last {name}") for name in _SPANS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        """Return the deliveries of the span."""
        span = _SPANS.get(self.value() or "")
        return queryset if span is None else queryset.filter(at__gte=time.time() - span)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """A list to read, for users with ``view_delivery``. A body needs ``view_delivery_body`` too."""

    list_display = ("mark", "age", "endpoint", "outcome", "replayed", "status", "reason_code", "causes", "type", "event")
    list_filter = (OutcomeFilter, InboxEndpointFilter, RecentFilter)
    search_fields = ("delivery__startswith", "=event_id", "event_type", "=reason_code", "findings")
    search_help_text = "the beginning of a delivery's name, an event's id or type, a reason code, or a cause"
    ordering = ("-seq",)
    hidden = ("head", "body")
    _facts = (
        *("delivery", "received", "endpoint", "provider", "tenant", "outcome", "status", "reason_code", "causes", "advice"),
        *("secret", "scheme", "event", "type", "attempt", "duration", "signed", "size", "body_sha256", "content_sha256"),
        *("signature_sha256", "kept_headers", "address", "note", "kept_until", "body_kept_until"),
    )
    readonly_fields = (*_facts, "body_text")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what the page of a record shows to this user."""
        return (*self._facts, *(("body_text",) if self.has_body_permission(request) else ()))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """Show one record, and log who is shown a body."""
        if self.has_body_permission(request) and self.has_view_permission(request):
            # WARNING, so that it is logged where nobody configured the log.
            _log.warning("the body of the delivery with seq %s was shown to %s", printable(object_id), user_name(request))
        return super().change_view(request, object_id, *args, **kwargs)

    # --- columns

    @admin.display(description="delivery", ordering="seq")
    def mark(self, record: WebhookDelivery) -> str:
        """Return the beginning of its name, as the log shows it."""
        return str(record.delivery[:SHOWN])

    @admin.display(description="age", ordering="-at")
    def age(self, record: WebhookDelivery) -> str:
        """Return how long ago its outcome was known."""
        return timesince(instant(record.at)) or "0 s"

    @admin.display(description="replayed")
    def replayed(self, record: WebhookDelivery) -> str:
        """Return how its last replay ended."""
        return printable(last_replay(record.note)) or NONE

    @admin.display(description="event id", ordering="event_id")
    def event(self, record: WebhookDelivery) -> str:
        """Return the id, with unprintable characters escaped."""
        return printable(record.event_id)

    @admin.display(description="event type", ordering="event_type")
    def type(self, record: WebhookDelivery) -> str:
        """Return the type, likewise."""
        return printable(record.event_type)

    @admin.display(description="causes")
    def causes(self, record: WebhookDelivery) -> str:
        """Return what the autopsy found."""
        found = [each.partition(":") for each in record.findings.split()]
        return ", ".join(f"{code} ({kind})" for code, _, kind in found)

    @admin.display(description="what to do")
    def advice(self, record: WebhookDelivery) -> str:
        """Return what each cause means, and the next step."""
        found = advice(each.partition(":")[0] for each in record.findings.split())
        return lines_of(found) if found else NONE

    @admin.display(description="at", ordering="at")
    def received(self, record: WebhookDelivery) -> datetime:
        """Return when its outcome was known."""
        return instant(record.at)

    @admin.display(description="signed at")
    def signed(self, record: WebhookDelivery) -> datetime | str:
        """Return the signed timestamp."""
        return NONE if record.signed_at is None else instant(record.signed_at)

    @admin.display(description="body size")
    def size(self, record: WebhookDelivery) -> int | str:
        """Return the bytes of the body; "-" if it was not read."""
        return record.body_size if record.body_size or record.body_sha256 else NONE

    @admin.display(description="headers")
    def kept_headers(self, record: WebhookDelivery) -> str:
        """Return the headers: a few with their values, and the names of all others."""
        facts = json.loads(record.headers)
        return lines_of("\n".join(name if value is None else f"{name}: {value}" for name, value in facts))

    @admin.display(description="kept until")
    def kept_until(self, record: WebhookDelivery) -> datetime:
        """Return when the record is deleted."""
        return instant(record.keep_until)

    @admin.display(description="body kept until")
    def body_kept_until(self, record: WebhookDelivery) -> datetime | str:
        """Return when the body is deleted."""
        return NONE if record.body_until is None else instant(record.body_until)

    @admin.display(description="body")
    def body_text(self, record: WebhookDelivery) -> str:
        """Return the body as text, if one is kept."""
        kept = ORMStore(claims_database()).evidence().body(record.delivery)
        if kept is None:
            return NONE
        endpoint = endpoints().endpoints.get(record.endpoint)
        # An inbox may name values of its bodies that must stay hidden: in a delivery with several events, values of one event.
        inbox = None if endpoint is None else endpoint.inbox
        if endpoint is not None and inbox is None:
            return lines_of(shown_body(kept.body, ()))
        if endpoint is not None and inbox is not None and inbox.hide and endpoint.preset.batch is not None and not kept.head:
            return "not shown: it may have several events, and `hide` names values of a single one"
        return body_lines(kept.body, record.endpoint)

    # --- permissions

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the user may see records."""
        return request.user.has_perm("hookguard.view_delivery")  # type: ignore[union-attr]  # any user has it

    def has_body_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may see bodies."""
        return request.user.has_perm("hookguard.view_delivery_body")  # type: ignore[union-attr]  # likewise
