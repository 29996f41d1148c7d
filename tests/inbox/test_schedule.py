"""The wait after an attempt, and Retry-After in both of its forms."""

import pytest

from hookguard.inbox.schedule import MalformedRetryAfter, RetryAt, RetryIn, Schedule, read_retry_after


def test_the_wait_doubles_up_to_the_longest():
    schedule = Schedule(tries=24, first=5.0, longest_wait=21_600.0)
    waits = [schedule.wait(attempt, jitter=lambda: 1.0) for attempt in range(1, 25)]
    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert waits[12:] == [20_480.0] + [21_600.0] * 11
    assert 2.9 * 86_400 < sum(waits[:-1]) < 3.1 * 86_400, "three days"


def test_the_jitter_is_wide_and_its_mean_is_one():
    waits = [Schedule(first=1.0).wait(1) for _ in range(20_000)]
    assert 0.5 <= min(waits) < 0.51
    assert 1.49 < max(waits) <= 1.5
    assert abs(sum(waits) / len(waits) - 1.0) < 0.02


def test_any_number_of_attempts_has_a_wait():
    assert Schedule().wait(10**6, jitter=lambda: 1.0) == 21_600.0
    assert Schedule().wait(0, jitter=lambda: 1.0) == 5.0


def test_tries_are_used_up():
    assert not Schedule(tries=3).used_up(2)
    assert Schedule(tries=3).used_up(3)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("120", RetryIn(120.0)),
        (" 0 ", RetryIn(0.0)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", RetryAt(1445412480.0)),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", RetryAt(1445412480.0)),
        ("Wed, 21 Oct 2015 07:28:00 -0000", RetryAt(1445412480.0)),
    ],
)
def test_both_forms_of_retry_after_are_read(text, read):
    assert read_retry_after(text) == read


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "soon", "١٢", "9" * 13, "Wed, 99 Oct 2015 07:28:00 GMT", "\x00", "Mon, 1 Jan 99999 0:0:0"]
)
def test_any_other_retry_after_leaves_it_to_the_schedule(text):
    assert read_retry_after(text) == MalformedRetryAfter(text)


def test_a_handler_may_not_ask_for_more_than_the_longest_wait():
    schedule = Schedule(longest_wait=600.0)
    assert schedule.wait_as_told(RetryIn(120.0), 0.0) == 120.0
    assert schedule.wait_as_told(RetryIn(9e11), 0.0) == 600.0
    assert schedule.wait_as_told(RetryAt(1000.0), 940.0) == 60.0
    assert schedule.wait_as_told(RetryAt(1000.0), 2000.0) == 0.0
