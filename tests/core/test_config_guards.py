"""The guards of one application are made once, whichever plugin asks for them."""

import threading
import time

import pytest

from hookguard import AsyncGuard, ConfigurationError, Endpoint, Guard, MemoryStore, Verifier
from hookguard.config import Guards, Settings, check_now
from hookguard.errors import StoreMisconfigured

SECRET = "a-secret-that-is-long-enough"
BOTH = pytest.mark.parametrize("make", [Guard, AsyncGuard])


def settings(store=MemoryStore):
    endpoints = {name: {"secrets": [SECRET]} for name in ("stripe", "github")}
    return Settings({"endpoints": endpoints}, where="test", default_store=store)


@BOTH
def test_endpoint_has_one_guard_by_every_name_for_it(make):
    guards = Guards(settings(), make)
    guard = guards.guard_for("stripe")
    assert type(guard) is make
    assert guards.guard_for("stripe") is guard
    assert guards.guard_for(guard.endpoint) is guard
    assert guards.guard_for(guard) is guard
    assert guards.endpoint("stripe") is guards.endpoint(guard) is guards.endpoint(guard.endpoint) is guard.endpoint
    assert guards.guard_for("github") is not guard
    assert guards.guard_for("github").store is guard.store
    assert list(guards) == [guard, guards.guard_for("github")]


@BOTH
def test_endpoint_and_guard_made_by_hand_are_taken(make):
    guards = Guards(settings(), make)
    endpoint = Endpoint(Verifier("slack", SECRET))
    assert guards.guard_for(endpoint).endpoint is endpoint
    by_hand = make(endpoint, MemoryStore())
    assert guards.guard_for(by_hand) is by_hand
    assert by_hand not in list(guards)


def test_name_of_no_endpoint_is_a_mistake():
    guards = Guards(settings(), Guard)
    for ask in (guards.endpoint, guards.guard_for):
        with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
            ask("strip")


@BOTH
def test_threads_that_ask_first_at_the_same_time_share_one_guard(make):
    made = []

    def slowly(endpoint, store):
        time.sleep(0.01)
        made.append(make(endpoint, store))
        return made[-1]

    guards = Guards(settings(), slowly)
    together, found = threading.Barrier(8), []

    def ask():
        together.wait()
        found.append(guards.guard_for("stripe"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 8


def test_guard_that_cannot_be_made_is_asked_for_again():
    tries = []

    def make(endpoint, store):
        tries.append(endpoint)
        raise ConfigurationError("the store does not fit")

    guards = Guards(settings(), make)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="does not fit"):
            guards.guard_for("stripe")
    assert len(tries) == 2
    assert not list(guards)


def test_store_is_not_made_before_a_guard_is():
    def store():
        raise ConfigurationError("made")

    guards = Guards(settings(store), Guard)
    assert guards.endpoint("stripe").name == "stripe"
    with pytest.raises(ConfigurationError, match="made"):
        guards.guard_for("stripe")


class Unfit(MemoryStore):
    def check(self):
        raise StoreMisconfigured("it evicts")


def test_store_that_may_block_is_checked_now():
    with pytest.raises(StoreMisconfigured, match="it evicts"):
        check_now(Unfit())


def test_asynchronous_store_is_left_to_the_loop_that_serves():
    class Later(MemoryStore):
        async def claim(self, key, **arguments):
            return super().claim(key, **arguments)

        async def check(self):
            pytest.fail("checked")

    check_now(Later())
