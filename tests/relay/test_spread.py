"""Turns, weights and rests, without a network."""

import os
from collections import Counter

import pytest

from hookguard.relay.rest import FAILURES, FIRST, LONGEST, Rest
from hookguard.relay.spread import Chooser, smooth

#: Turns that are counted.
TURNS = int(os.environ.get("HOOKGUARD_RELAY_TURNS", "10000"))


def test_smooth_weights_take_turns():
    current = {}
    assert "".join(smooth({"a": 5, "b": 1, "c": 1}, current) for _ in range(14)) == "aabacaa" * 2


@pytest.mark.parametrize("weights", [{"a": 5, "b": 1, "c": 1}, {"a": 1, "b": 1}, {"a": 7, "b": 3}, {"a": 97, "b": 2, "c": 1}])
def test_weights_are_exact_over_whole_rounds(weights):
    chooser, total = Chooser("weighted", weights), sum(weights.values())
    rounds = max(1, TURNS // total)
    counted = Counter(chooser.order(str(turn), list(weights))[0] for turn in range(rounds * total))
    assert counted == {name: rounds * weight for name, weight in weights.items()}


def test_no_target_waits_for_longer_than_its_share():
    chooser = Chooser("weighted", {"a": 9, "b": 1})
    order = "".join(chooser.order(str(turn), ["a", "b"])[0] for turn in range(100))
    assert "b" * 2 not in order
    assert "a" * 19 not in order


@pytest.mark.parametrize("spread", ["random", "weighted"])
def test_entry_that_failed_is_not_sent_to_the_same_target(spread):
    chooser = Chooser(spread, {"a": 1000, "b": 1})
    for _ in range(50):
        chooser.failed("key", "a")
        assert chooser.order("key", ["a", "b"]) == ["b"]
    assert chooser.order("key", ["a"]) == ["a"]
    chooser.succeeded("key")
    assert Counter(chooser.order("key", ["a", "b"])[0] for _ in range(100))["a"] > 0


def test_remembered_failures_are_bounded():
    chooser = Chooser("random", {"a": 1, "b": 1})
    for number in range(10_100):
        chooser.failed(str(number), "a")
    assert len(chooser._failed) == 10_000


def test_failover_keeps_the_order():
    assert Chooser("failover", {"a": 1, "b": 1}).order("key", ["b", "a"]) == ["b", "a"]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def failing(rest, times):
    return [rest.failed() for _ in range(times)]


def test_target_rests_after_its_failures_in_a_row():
    rest = Rest(Clock())
    assert failing(rest, FAILURES - 1) == [False] * (FAILURES - 1)
    rest.succeeded()
    assert failing(rest, FAILURES - 1) == [False] * (FAILURES - 1)
    assert rest.room == float("inf")
    assert rest.failed()
    assert (rest.room, rest.left) == (0, FIRST)


def test_one_message_tries_when_the_rest_is_over():
    clock = Clock()
    rest = Rest(clock)
    failing(rest, FAILURES)
    clock.now += FIRST
    assert rest.room == 1
    rest.succeeded()
    assert rest.room == float("inf")


def test_rest_doubles_up_to_its_longest():
    clock = Clock()
    rest = Rest(clock)
    failing(rest, FAILURES)
    lengths = []
    while len(lengths) < 6:
        lengths.append(rest.left)
        clock.now += rest.left
        assert rest.failed()
    assert lengths == [30, 60, 120, 240, LONGEST, LONGEST]


def test_messages_on_their_way_do_not_lengthen_a_rest():
    clock = Clock()
    rest = Rest(clock)
    assert failing(rest, FAILURES + 20).count(True) == 1
    assert rest.left == FIRST


def test_target_that_is_down_for_90_seconds_gets_few_messages():
    clock, attempts = Clock(), 0
    rest = Rest(clock)
    while clock.now < 190:  # twenty events a second
        if rest.room:
            attempts += 1
            rest.failed()
        clock.now += 0.05
    assert attempts <= 8


def test_longer_rest_wins():
    rest = Rest(Clock())
    rest.begin(3600)
    failing(rest, FAILURES)
    rest.begin(10)
    assert rest.left == 3600
