from contextlib import suppress

import pytest

from hookguard.errors import VerificationUnavailable
from hookguard.fetch.budget import MAX_NETWORKS, MAX_NEW, MAX_NEW_IN_ALL, MAX_NEW_SLOWLY, SLOTS, FetchBudget
from hookguard.testing import FrozenClock


@pytest.fixture
def clock():
    return FrozenClock(1000.0)


@pytest.fixture
def budget(clock):
    return FetchBudget(clock)


def hold_all_slots(budget, address):
    """Use the address's own budget up, and every slot of the slow lane."""
    for _ in range(MAX_NEW):
        budget.enter(address)()
    return [budget.enter(address) for _ in range(SLOTS)]


def test_a_network_that_used_its_budget_up_takes_nothing_from_another(budget):
    hold_all_slots(budget, "192.0.2.1")
    with pytest.raises(VerificationUnavailable):
        budget.enter("192.0.2.1")
    for _ in range(MAX_NEW):
        budget.enter("198.51.100.7")


def test_all_addresses_of_one_ipv6_network_share_a_budget(budget):
    for number in range(MAX_NEW):
        budget.enter(f"2001:db8::{number:x}")()
    held = [budget.enter(f"2001:db8::ffff:{number:x}") for number in range(SLOTS)]
    with pytest.raises(VerificationUnavailable):
        budget.enter("2001:db8::1:1")
    budget.enter("2001:db8:0:1::1")
    held[0]()
    budget.enter("2001:db8::1:1")


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_ipv4_senders_have_a_budget_each_however_a_socket_writes_them(budget, prefix):
    hold_all_slots(budget, f"{prefix}192.0.2.1")
    for same in (f"{prefix}192.0.2.1", "192.0.2.1"):
        with pytest.raises(VerificationUnavailable):
            budget.enter(same)
    for _ in range(MAX_NEW):
        budget.enter(f"{prefix}198.51.100.7")


def test_a_slot_of_the_slow_lane_serves_the_next_when_its_fetch_ends(budget):
    held = hold_all_slots(budget, "192.0.2.1")
    with pytest.raises(VerificationUnavailable):
        budget.enter("192.0.2.1")
    held[0]()
    budget.enter("192.0.2.1")


def test_senders_in_many_networks_do_not_keep_a_new_network_from_its_first_fetch(budget):
    for number in range((MAX_NEW_IN_ALL + MAX_NEW_SLOWLY) // MAX_NEW + 1):
        for _ in range(MAX_NEW):
            with suppress(VerificationUnavailable):
                budget.enter(f"2001:db8:{number:x}::1")()
    with pytest.raises(VerificationUnavailable):
        budget.enter("2001:db8::1")
    held = [budget.enter(f"192.0.2.{number}") for number in range(SLOTS)]
    with pytest.raises(VerificationUnavailable):
        budget.enter("198.51.100.7")
    held[0]()
    budget.enter("198.51.100.7")()
    with pytest.raises(VerificationUnavailable):
        budget.enter("198.51.100.7")


def test_one_sender_that_makes_names_up_one_after_another_leaves_room(budget):
    for _ in range(300):
        budget.enter("")()
    budget.enter("")


def test_the_budget_is_whole_again_after_a_minute(budget, clock):
    for _ in range(MAX_NEW + MAX_NEW_SLOWLY):
        budget.enter("192.0.2.1")()
    with pytest.raises(VerificationUnavailable):
        budget.enter("192.0.2.1")
    clock.advance(60)
    hold_all_slots(budget, "192.0.2.1")


@pytest.mark.parametrize("text", ["", "unknown", "\x1b[2K", "192.0.2.1:4711", "1" * 5000])
def test_texts_without_an_address_count_as_one_network(budget, text):
    hold_all_slots(budget, "no address")
    with pytest.raises(VerificationUnavailable):
        budget.enter(text)


def test_many_networks_take_a_limited_amount_of_memory(budget, clock):
    for number in range(MAX_NETWORKS + 100):
        clock.advance(1)
        budget.enter(f"10.0.{number // 256}.{number % 256}")
    assert len(budget._networks) == MAX_NETWORKS
