import copy
import inspect
import sys

import pytest

from hookguard import Event, Verifier, presets
from hookguard.event import EventProxy

SECRET = "a-secret-that-is-long-enough"


@pytest.fixture
def event():
    return Verifier("github", SECRET).verify(presets.GITHUB.sign(b'{"a": 1}', SECRET, id="1"))


@pytest.fixture
def nothing():
    def find():
        raise RuntimeError("no webhook is being handled here")

    return EventProxy(find)


def test_proxy_behaves_as_the_event(event):
    proxy = EventProxy(lambda: event)
    assert isinstance(proxy, Event)
    assert (proxy.id, proxy.json(), proxy.attempt) == ("1", {"a": 1}, 1)
    assert proxy == event
    assert event == proxy
    assert {event: 1}[proxy] == 1
    assert repr(proxy) == repr(event)
    assert "json" in dir(proxy)


def test_proxy_finds_the_event_each_time_it_is_read(event):
    other = Verifier("github", SECRET).verify(presets.GITHUB.sign(b"{}", SECRET, id="2"))
    found = [event, other]
    proxy = EventProxy(lambda: found[0])
    assert proxy.id == "1"
    assert proxy != other
    found.pop(0)
    assert proxy.id == "2"
    assert proxy == other


def test_proxy_cannot_be_written_to(event):
    proxy = EventProxy(lambda: event)
    with pytest.raises(AttributeError):
        proxy.anything = 1


def test_copy_of_the_proxy_is_an_event(event):
    assert type(copy.copy(EventProxy(lambda: event))) is Event


def test_proxy_without_an_event_raises_where_it_is_read(nothing):
    for read in (
        lambda: nothing.id,
        lambda: nothing == 1,
        lambda: hash(nothing),
        lambda: dir(nothing),
        lambda: copy.copy(nothing),
    ):
        with pytest.raises(RuntimeError, match="no webhook"):
            read()
    assert not isinstance(nothing, Event)
    assert repr(nothing) == "<EventProxy: no webhook is being handled here>"


def test_tools_may_look_through_a_module_that_holds_a_proxy(nothing):
    assert inspect.unwrap(nothing) is nothing
    assert not hasattr(nothing, "__wrapped__")
    assert not inspect.isclass(nothing)
    assert sys.getsizeof(nothing)
