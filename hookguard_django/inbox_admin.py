"""The inbox in Django's admin: a list to read, one entry with its body behind a permission, and two actions with a reason."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.timesince import timesince

from hookguard.errors import StoreError
from hookguard.inbox.contract import Kept, entry_key
from hookguard.inbox.hidden import read_pointers, shown_body
from hookguard.inbox.kept import read_head
from hookguard.privacy.shown import printable
from hookguard_django.conf import claims_database, endpoints
from hookguard_django.models import WebhookInbox
from hookguard_django.read_only_admin import NONE, ReadOnlyAdmin, instant, lines_of, user_name
from hookguard_django.stores import ORMStore
from hookguard_django.stores.inbox import ORMInbox

__all__ = ["InboxEndpointFilter", "WebhookInboxAdmin", "body_lines"]

_log = logging.getLogger("hookguard.inbox")

#: Entries that one action may change.
MOST: Final = 1000

#: Letters of a reason, at least; and of the reason of a failure in the list, at most.
SHORTEST, SHOWN = 3, 100

_State = WebhookInbox.State

#: The states that an action may change, and words about it: its name, what became of the entries, and what that means.
_ACTIONS: Final = {
    "rerun": ((_State.DONE, _State.DEAD), "Rerun", "due again", ", with all of their tries"),
    "drop": (
        (_State.WAITING, _State.DONE, _State.DEAD),
        "Drop",
        "deleted",
        " for good. Their events are still known: if the provider sends one again, it is a duplicate",
    ),
}


class InboxEndpointFilter(admin.SimpleListFilter):
    """The endpoints of the settings. A query for the names in the table would read all of it."""

    title = "endpoint"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return each endpoint's name."""
        return [(name, name) for name in endpoints().endpoints]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookInbox]) -> QuerySet[WebhookInbox]:
        """Return the entries of the endpoint."""
        return queryset if self.value() is None else queryset.filter(endpoint=self.value())


@admin.register(WebhookInbox)
class WebhookInboxAdmin(ReadOnlyAdmin):
    """A list to read, with the actions rerun and drop. Each needs its permission, and so does a body."""

    list_display = ("event", "state", "endpoint", "type", "age", "tries", "due", "failure")
    list_filter = ("state", InboxEndpointFilter)
    search_fields = ("event_id", "event_type", "=key")
    ordering = ("-seq",)
    actions = ("rerun", "drop")
    hidden = ("token", "line", "held_line", "head", "body", "content")
    _facts = ("state", "endpoint", "part", "type", "event", "scope", "tries", "received", "changed", "due", "last_error")
    _opened = ("request_line", "kept_headers", "body_text", "content_text")
    readonly_fields = (*_facts, *_opened, "key")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what the page of an entry shows to this user."""
        return (*self._facts, *(self._opened if self.has_open_permission(request) else ()), "key")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """Show one entry, and log who is shown a body."""
        if self.has_open_permission(request) and self.has_view_permission(request):
            # WARNING, so that it is logged where nobody configured the log.
            _log.warning("the body of the inbox entry with seq %s was shown to %s", printable(object_id), user_name(request))
        return super().change_view(request, object_id, *args, **kwargs)

    # --- columns

    @admin.display(description="event id", ordering="event_id")
    def event(self, entry: WebhookInbox) -> str:
        """Return the id, with unprintable characters escaped."""
        return printable(entry.event_id)

    @admin.display(description="event type", ordering="event_type")
    def type(self, entry: WebhookInbox) -> str:
        """Return the type, likewise."""
        return printable(entry.event_type)

    @admin.display(description="age", ordering="-received_at")
    def age(self, entry: WebhookInbox) -> str:
        """Return how long ago the provider was answered."""
        return timesince(instant(entry.received_at)) or "0 s"

    @admin.display(description="tries", ordering="attempt")
    def tries(self, entry: WebhookInbox) -> str:
        """Return how often it was taken, and how many workers died with it."""
        return f"{entry.attempt} ({entry.crashes} crashed)" if entry.crashes else str(entry.attempt)

    @admin.display(description="due at or held until", ordering="due_at")
    def due(self, entry: WebhookInbox) -> datetime | str:
        """Return when a waiting entry is due, or the lease of a held one ends."""
        return NONE if entry.due_at is None else instant(entry.due_at)

    @admin.display(description="received at", ordering="received_at")
    def received(self, entry: WebhookInbox) -> datetime:
        """Return when the provider was answered."""
        return instant(entry.received_at)

    @admin.display(description="in this state since", ordering="changed_at")
    def changed(self, entry: WebhookInbox) -> datetime:
        """Return when it came into its state."""
        return instant(entry.changed_at)

    @admin.display(description="last error")
    def failure(self, entry: WebhookInbox) -> str:
        """Return the last error in a list: a done or held entry got over it, so far."""
        return self.last_error(entry) if entry.state in (_State.WAITING, _State.DEAD) else ""

    @admin.display(description="last error")
    def last_error(self, entry: WebhookInbox) -> str:
        """Return the reason why it failed, died, or was rerun."""
        reason = printable(entry.reason or "")
        return reason if len(reason) <= SHOWN else f"{reason[:SHOWN]}…"

    # --- for a user who may see bodies

    @admin.display(description="request")
    def request_line(self, entry: WebhookInbox) -> str:
        """Return the method, the host and the target."""
        head = read_head(self._kept(entry))
        return printable(f"{head.method} {head.scheme}://{head.host}{head.target}")

    @admin.display(description="headers")
    def kept_headers(self, entry: WebhookInbox) -> str:
        """Return the headers that are kept."""
        endpoint = endpoints().endpoints.get(entry.endpoint)
        # A relay may keep the provider's signature, to pass it on.
        secret = frozenset[str]() if endpoint is None else endpoint.preset.scheme.signature_headers
        headers = [(name, value) for name, value in read_head(self._kept(entry)).headers if name not in secret]
        return lines_of("\n".join(f"{name}: {value}" for name, value in headers))

    @admin.display(description="body")
    def body_text(self, entry: WebhookInbox) -> str:
        """Return the body as text."""
        return body_lines(self._kept(entry).body, entry.endpoint)

    @admin.display(description="decrypted content")
    def content_text(self, entry: WebhookInbox) -> str:
        """Return what the envelope held, if there was one."""
        content = self._kept(entry).content
        return NONE if content is None else body_lines(content, entry.endpoint)

    @staticmethod
    def _kept(entry: WebhookInbox) -> Kept:
        found: Kept | None = getattr(entry, "_kept", None)
        if found is None:
            found = _inbox().open(_key(entry))
            assert found is not None, "the admin has just read it"  # noqa: S101 - a race with a worker's prune: 500
            entry._kept = found  # type: ignore[attr-defined]  # kept for the page's other columns
        return found

    # --- actions

    @admin.action(description="Rerun the selected entries", permissions=["rerun"])
    def rerun(self, request: HttpRequest, entries: QuerySet[WebhookInbox]) -> TemplateResponse | None:
        """Ask for a reason, then make done and dead entries due again."""
        return self._act("rerun", request, entries)

    @admin.action(description="Drop the selected entries", permissions=["drop"])
    def drop(self, request: HttpRequest, entries: QuerySet[WebhookInbox]) -> TemplateResponse | None:
        """Ask for a reason, then delete entries that nobody holds."""
        return self._act("drop", request, entries)

    def _act(self, action: str, request: HttpRequest, entries: QuerySet[WebhookInbox]) -> TemplateResponse | None:
        chosen = list(entries[: MOST + 1])
        if len(chosen) > MOST:
            self.message_user(request, f"At most {MOST:,} entries at a time: select fewer.", messages.ERROR)
            return None
        reason = request.POST.get("reason", "").strip()
        if len(reason) < SHORTEST:
            return self._ask(action, request, chosen, reason)
        try:
            changed = getattr(_inbox(), action)([_key(entry) for entry in chosen], reason=reason, by=user_name(request))
        except StoreError as error:
            self.message_user(request, f"Nothing was changed: {error}", messages.ERROR)
            return None
        states, _, done, _ = _ACTIONS[action]
        for entry in chosen:
            if changed and entry.state in states:
                self.log_change(request, entry, f"{action}: {reason}")
        if changed == len(chosen):
            self.message_user(request, f"{changed} of {changed} entries are {done}.", messages.SUCCESS)
        else:
            others = "The others are held by a worker, wait for their next try, or are not kept any more."
            self.message_user(request, f"{changed} of {len(chosen)} entries are {done}. {others}", messages.WARNING)
        return None

    def _ask(self, action: str, request: HttpRequest, chosen: list[WebhookInbox], reason: str) -> TemplateResponse:
        states, verb, done, then = _ACTIONS[action]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {len(chosen)} inbox {'entry' if len(chosen) == 1 else 'entries'}",
            "opts": self.opts,
            "action": action,
            "verb": verb,
            "then": f"{done}{then}",
            "entries": chosen,
            "possible": sum(entry.state in states for entry in chosen),
            "checkbox": ACTION_CHECKBOX_NAME,
            "missing": "reason" in request.POST,
            "reason": reason,
            "shortest": SHORTEST,
        }
        return TemplateResponse(request, "hookguard/inbox_reason.html", context)

    # --- permissions

    def has_open_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may see bodies."""
        return _may(request, "open")

    def has_rerun_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may rerun entries."""
        return _may(request, "rerun")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may drop entries."""
        return _may(request, "drop")


def _may(request: HttpRequest, what: str) -> bool:
    return request.user.has_perm(f"hookguard.{what}_webhookinbox")  # type: ignore[union-attr]  # any user has it


def _inbox() -> ORMInbox:
    return ORMStore(claims_database()).inbox()


def _key(entry: WebhookInbox) -> str:
    return entry_key(entry.key, entry.part)


def body_lines(data: bytes, name: str) -> str:
    """Return HTML for a body of this endpoint, without the values that ``hide`` names."""
    endpoint = endpoints().endpoints.get(name)
    if endpoint is None or endpoint.inbox is None:
        return "not shown: no endpoint with an inbox has this name now, so it is unknown which values must stay hidden"
    return lines_of(shown_body(data, read_pointers(endpoint.inbox.hide)))
