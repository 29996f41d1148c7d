"""The setting ``hand_off``: a function that gives an entry's key to another engine, whose worker runs the entry.

Engines with settings for tests run a task in the process that sends it, or never. They are rejected here. Nothing is imported
for that: the function's owner has attributes, and its classes have names.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from hookguard.errors import ConfigurationError

__all__ = ["HandOff", "check_hand_off", "find_hand_off", "split_path"]

#: Gives an entry's key to another engine, whose worker runs it.
HandOff = Callable[[str], object]

#: The methods by which engines send a task. A function that has one of them is the task itself.
_SENDS: Final = ("delay", "send", "kiq", "defer", "enqueue")

#: Where a task keeps the object that carries its messages.
_CARRIERS: Final = ("broker", "huey.storage", "connector", "blueprint.connector")

#: Classes of such objects that reach no other process.
_LOCAL: Final = {
    "StubBroker": "Dramatiq's StubBroker keeps messages in this process",
    "InMemoryBroker": "taskiq's InMemoryBroker runs tasks in this process",
    "InMemoryConnector": "procrastinate's InMemoryConnector keeps jobs in this process",
    "MemoryStorage": "Huey's memory storage keeps tasks in this process",
    "BlackHoleStorage": "Huey's BlackHoleStorage drops every task",
    "ImmediateBackend": "Django's ImmediateBackend runs tasks in this process",
    "DummyBackend": "Django's DummyBackend runs no task",
}


def find_hand_off(given: HandOff | str) -> HandOff:
    """Return the function, imported if ``module:name`` names it. Raises ConfigurationError, also for an engine of no use."""
    if isinstance(given, str):
        module, inner = split_path(given)
        try:
            found: Any = importlib.import_module(module)
            for name in inner.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"inbox: hand_off {given!r} cannot be imported ({error})") from None
    else:
        found = given
    check_hand_off(found)
    return cast("HandOff", found)


def split_path(given: str) -> tuple[str, str]:
    """Return the module and the name in it; ConfigurationError for a text of another form."""
    module, _, inner = given.partition(":")
    if not module or not inner or not all(name.isidentifier() for name in (*module.split("."), *inner.split("."))):
        raise ConfigurationError(
            f"inbox: hand_off is {given!r}: name the function as module:name, such as shop.tasks:run_webhook.delay"
        )
    return module, inner


def check_hand_off(given: object) -> None:
    """Raise ConfigurationError for what is not a function of one text, and for an engine that reaches no other process."""
    if not callable(given):
        raise ConfigurationError(
            f"inbox: hand_off is {type(given).__name__}: give a function that takes the entry's key, such as run_webhook.delay,"
            " or name it as module:name"
        )
    call: Any = given
    while isinstance(call, partial):
        call = call.func
    for name in _SENDS:
        if callable(getattr(call, name, None)):
            raise ConfigurationError(
                f"inbox: hand_off is the task itself, and calling it would run it in this process: give its method {name}"
            )
    owner = getattr(call, "__self__", call)
    if getattr(call, "__name__", "") in ("defer", "defer_async") and hasattr(owner, "blueprint"):
        raise ConfigurationError(
            "inbox: hand_off is procrastinate's defer, which takes no argument without a name: give a function that calls it,"
            " such as lambda key: run_webhook.defer(key=key)"
        )
    if (why := _reaches_nobody(owner)) is not None:
        raise ConfigurationError(
            f"inbox: hand_off: {why}, so no other worker would run the event. Configure a broker that other processes reach, or"
            " leave hand_off out: hookguard work runs the events itself. In tests, work_off(app) runs them"
        )
    try:
        inspect.signature(given).bind("key")
    except TypeError:
        raise ConfigurationError("inbox: hand_off must take one argument, the entry's key, which is a text") from None
    except ValueError:
        pass  # a function in C may have no signature


def _reaches_nobody(owner: object) -> str | None:
    """Return why a task of this owner never leaves the process; None if nothing shows it."""
    if _at(owner, "app.conf.task_always_eager") in (True, 1):
        return "Celery's task_always_eager is on, and runs tasks in this process"
    if str(_at(owner, "app.conf.broker_url")).startswith("memory:"):
        return "Celery's broker is memory://, which keeps messages in this process"
    if _at(owner, "huey.immediate") in (True, 1):
        return "Huey's immediate is on, and runs tasks in this process"
    if _at(owner, "_is_async") is False and hasattr(owner, "enqueue_call"):
        return "RQ's queue has is_async=False, and runs jobs in this process"
    carriers = [_at(owner, path) for path in _CARRIERS]
    if callable(get_backend := _at(owner, "get_backend")):
        carriers.append(_quietly(get_backend))
    for carrier in carriers:
        for kind in type(carrier).__mro__:
            if kind.__name__ in _LOCAL:
                return _LOCAL[kind.__name__]
    return None


def _at(owner: object, path: str) -> Any:
    """Return an attribute of an attribute; None if one is missing or cannot be read, as before an engine is configured."""
    found: Any = owner
    for name in path.split("."):
        found = _quietly(partial(getattr, found, name, None))
    return found


def _quietly(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception:  # it is another package's code, and only a look
        return None
