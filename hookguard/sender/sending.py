"""``send_webhook``: send one webhook, and try again for a while. For tests, and for services that send a few."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets as random_ids
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from hookguard.errors import ConfigurationError, HookguardError
from hookguard.inbox.schedule import MalformedRetryAfter, read_retry_after
from hookguard.networks import Networks
from hookguard.presets import STANDARD_WEBHOOKS
from hookguard.privacy.shown import shown_url
from hookguard.record import hides_arguments
from hookguard.secret import SecretLike
from hookguard.sender.connection import Answer, Connection, NotAnswered, Reach, read_url
from hookguard.sender.message import Signer, as_header, usual_headers

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["Accepted", "Gone", "NotAccepted", "asend_webhook", "send_webhook"]

_log = logging.getLogger("hookguard.sender")

#: Statuses below 500 that may be another next time.
_PASSING = frozenset({408, 425, 429})

#: Seconds before the second attempt, and between two attempts at most.
FIRST, LONGEST = 0.5, 30.0


class Accepted(NamedTuple):
    """The receiver has answered 2xx."""

    id: str  #: the ``webhook-id`` of the message
    status: int
    attempts: int


class NotAccepted(HookguardError):
    """The receiver did not accept the webhook. ``status`` is its last answer, None if it never answered.

    It may have received the webhook all the same: an answer can be lost.
    """

    code: ClassVar[str] = "not_accepted"
    status: int | None = None
    id: str | None = None  #: the ``webhook-id`` of the message
    attempts: int | None = None


class Gone(NotAccepted):
    """The receiver answered 410: it wants no more webhooks at this URL."""

    code: ClassVar[str] = "gone"


class _Failed(Exception):
    """One attempt failed; ``wait`` is the seconds until the next, None if no other may follow."""

    def __init__(self, reason: str, status: int | None, wait: float | None) -> None:
        super().__init__(reason)
        self.status = status
        self.wait = wait


@hides_arguments
def send_webhook(
    url: str,
    body: bytes,
    secret: SecretLike | Iterable[SecretLike],
    *,
    id: str | None = None,  # noqa: A002 - the field's own word
    type: str = "",  # noqa: A002 - the field's own word
    attempts: int = 6,
    timeout: float = 60.0,
    allow_http: bool = False,
    allow_networks: Networks | Iterable[str] | None = None,
) -> Accepted:
    """Send one webhook by Standard Webhooks, and try again until it is accepted.

    ``secret`` is the receiver's (``whsec_…``), or several during a rotation. Each attempt is signed once more, under the same
    ``id``; by default a random one. ``type`` is for people, in the header ``Hookguard-Event-Type``: Standard Webhooks has the
    type in the body.

    Tried again, at most ``attempts`` times in ``timeout`` seconds: no answer, 408, 425, 429 and 5xx. The waits double from half a
    second, and Retry-After is obeyed up to 30 s. Redirects are not followed. ``allow_http`` and ``allow_networks`` open what is
    closed by default: ``http://``, and networks that are not public, such as ``["127.0.0.0/8"]`` in a test.

    Raises NotAccepted when it gives up, Gone for 410, and ConfigurationError. On a running event loop, use ``asend_webhook``.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise ConfigurationError("send_webhook would block the running event loop: await asend_webhook(…)")
    return asyncio.run(
        asend_webhook(
            url,
            body,
            secret,
            id=id,
            type=type,
            attempts=attempts,
            timeout=timeout,
            allow_http=allow_http,
            allow_networks=allow_networks,
        )
    )


@hides_arguments
def asend_webhook(
    url: str,
    body: bytes,
    secret: SecretLike | Iterable[SecretLike],
    *,
    id: str | None = None,  # noqa: A002 - the field's own word
    type: str = "",  # noqa: A002 - the field's own word
    attempts: int = 6,
    timeout: float = 60.0,
    allow_http: bool = False,
    allow_networks: Networks | Iterable[str] | None = None,
) -> Coroutine[Any, Any, Accepted]:
    """Send one webhook on asyncio's event loop; see ``send_webhook``. Mistakes in the arguments raise before it is awaited."""
    if not isinstance(body, bytes):
        raise TypeError(f"body is {body.__class__.__name__}; pass the bytes to send")
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        raise ConfigurationError(f"attempts is {attempts!r}; give a number, 1 or more")
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(f"timeout is {timeout!r}; give seconds, more than 0")
    networks = allow_networks if allow_networks is None or isinstance(allow_networks, Networks) else Networks(allow_networks)
    reach = Reach(allow_http=allow_http, allow_networks=networks)
    target = read_url(url, reach)
    headers = usual_headers(STANDARD_WEBHOOKS.content_type(body))
    if type:
        headers["Hookguard-Event-Type"] = as_header(type)
    identifier = id or f"msg_{random_ids.token_urlsafe(18)}"
    if as_header(identifier) != identifier or "." in identifier:
        raise ConfigurationError(f"id is {identifier!r}; use up to 255 printable characters of ASCII, without a full stop")
    signer = Signer(secret)
    need_stamina()

    @_without_frames
    async def send() -> Accepted:
        connection = Connection(target, reach, most=1)
        try:
            return await _try(connection, signer, identifier, body, headers, attempts, timeout, url)
        finally:
            await connection.aclose()

    return send()


def _without_frames(send: Callable[[], Coroutine[Any, Any, Accepted]]) -> Callable[[], Coroutine[Any, Any, Accepted]]:
    """Remove the frames of ``send`` from an error, and from a cancellation: they hold what hides_arguments hides."""

    @wraps(send)
    async def called() -> Accepted:
        try:
            return await send()
        except (HookguardError, asyncio.CancelledError) as error:
            raise error.with_traceback(None) from None

    return called


def need_stamina() -> Any:
    """Return the package stamina; ConfigurationError if it is not installed."""
    try:
        import stamina  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "webhooks are retried with the package stamina: pip install 'hookguard-webhooks[relay]'"
        ) from None
    logger = logging.getLogger("stamina")
    if _is_of_others not in logger.filters:
        logger.addFilter(_is_of_others)
    return stamina


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a line of stamina's is about another caller: ours are logged with the target and the reason."""
    return not str(getattr(record, "stamina.caused_by", "")).startswith(f"{_Failed.__name__}(")


async def _try(
    connection: Connection,
    signer: Signer,
    identifier: str,
    body: bytes,
    headers: dict[str, str],
    attempts: int,
    seconds: float,
    url: str,
) -> Accepted:
    until = time.monotonic() + seconds
    number = 0

    async def once() -> Accepted:
        nonlocal number
        number += 1
        try:
            answer = await connection.post(
                body, {**headers, **signer.sign(identifier, body)}, max(0.001, until - time.monotonic())
            )
        except NotAnswered as error:
            raise _Failed(str(error), None, _wait(number, None) if error.again else None) from None
        if 200 <= answer.status < 300:
            return Accepted(identifier, answer.status, number)
        passing = answer.status >= 500 or answer.status in _PASSING
        raise _Failed(f"it answered {answer.status}", answer.status, _wait(number, answer) if passing else None)

    def again(error: Exception) -> float | bool:
        # A wait that ends after the deadline would be for nothing.
        if not isinstance(error, _Failed) or error.wait is None or time.monotonic() + error.wait >= until:
            return False
        if number < attempts:
            said = "attempt %d of %d to send %s to %s failed: %s; the next one comes in %.1f s"
            _log.warning(said, number, attempts, identifier, shown_url(url), error, error.wait)
        return error.wait

    try:
        async for attempt in need_stamina().retry_context(on=again, attempts=attempts, timeout=None):
            with attempt:
                return await once()
    except _Failed as error:
        kind = Gone if error.status == 410 else NotAccepted
        tries = "1 attempt" if number == 1 else f"{number} attempts"
        raise kind(
            f"{shown_url(url)} did not accept the webhook {identifier}, after {tries}: {error}",
            status=error.status,
            id=identifier,
            attempts=number,
        ) from None
    raise AssertionError("unreachable: the last attempt returns or raises")


def _wait(number: int, answer: Answer | None) -> float:
    """Return the seconds until the next attempt: by Retry-After, otherwise doubling, by a random factor."""
    if answer is not None and answer.retry_after is not None:
        found = read_retry_after(answer.retry_after)
        if not isinstance(found, MalformedRetryAfter):
            return min(found.wait(time.time()), LONGEST)
    return min(FIRST * 2.0 ** min(number - 1, 20), LONGEST) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
