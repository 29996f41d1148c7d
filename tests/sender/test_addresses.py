"""Which addresses are public: 31 that are not, in the spellings that a resolver or a URL may have."""

import ipaddress
import socket

import pytest

from hookguard import Networks
from hookguard.sender.addresses import is_public, may_connect

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fe80::1",
    "ff02::1",
    "fec0::1",
    "2001::1",
    "3fff::1",
    "5f00::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "168.63.129.15",
    "168.63.129.17",
    "172.32.0.1",
    "192.0.3.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "2001:200::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if ":" not in address])
@pytest.mark.parametrize("prefix", ["::ffff:", "::ffff:0:", "64:ff9b::", "::"])
def test_address_inside_of_an_ipv6_address_is_not_public(address, prefix):
    assert not is_public(prefix + address)
    assert not is_public(ipaddress.ip_address(prefix + address).exploded)


@pytest.mark.parametrize("address", PUBLIC)
def test_address_is_public(address):
    assert is_public(address)
    if ":" not in address:
        assert is_public(f"::ffff:{address}")
        assert is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2606:4700::1111%1", "fe80::1%eth0", "8.8.8.8:443", "8.8.8.08"]
)
def test_any_other_text_is_not_public(text):
    assert not is_public(text)


@pytest.mark.parametrize("spelled", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.1", "0x7f.1", "::ffff:7f00:1"])
def test_spelling_that_the_resolver_reads_is_checked_as_its_address(spelled):
    try:
        found = socket.getaddrinfo(spelled, 80, type=socket.SOCK_STREAM)
    except OSError:
        return  # this system reads no such spelling, so nothing can be connected to
    assert not any(is_public(str(each[4][0])) for each in found)


def test_allowed_network_opens_its_addresses_only():
    allowed = Networks(["10.1.0.0/16"])
    assert may_connect("10.1.2.3", allowed)
    assert may_connect("::ffff:10.1.2.3", allowed)
    assert may_connect("8.8.8.8", allowed)
    assert not may_connect("10.2.0.1", allowed)
    assert not may_connect("10.1.2.3", None)
