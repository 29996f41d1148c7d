"""The additions of a transactional store to the inbox contract: a handler writes in the transaction of its entry."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Protocol, Union, runtime_checkable

from hookguard.inbox.settings import InboxSettings

__all__ = ["Transactional"]


@runtime_checkable
class Transactional(Protocol):
    """An inbox whose handlers write in a transaction that the entry's completion is part of: one commit for both, or neither.

    The methods of an asynchronous inbox are coroutines. Until its transaction ends, the entry is locked: nobody else can take or
    settle it, even if its lease is over. Everything else of the inbox is committed on its own, as always. An inbox whose
    transactions wait for each other has ``at_once``: how many entries of an endpoint a worker may run at a time.
    """

    @abstractmethod
    def begin(self, key: str, *, token: bytes) -> Union[bool, Awaitable[bool]]:
        """Begin the handler's transaction, in the thread or task of the handler; False unless the token holds the entry."""

    @abstractmethod
    def commit(self, key: str, *, token: bytes, settings: InboxSettings) -> Union[bool, Awaitable[bool]]:
        """Mark the entry as done with the transaction's last statement, and commit; False if none was begun with this token.

        After TransactionFailed nothing was written. After StoreUnavailable ``committed`` knows it.
        """

    @abstractmethod
    def roll_back(self, key: str, *, token: bytes) -> Union[bool, Awaitable[bool]]:
        """Undo the handler's writes; the entry is still held. False if no transaction was begun with this token."""

    @abstractmethod
    def committed(self, key: str, *, token: bytes) -> Union[bool, Awaitable[bool]]:
        """Return whether a commit was made whose answer got lost."""
