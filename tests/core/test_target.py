"""The one place that splits a URL, and what is rejected because a framework would read it differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import Delivery, Endpoint, Guard, MemoryStore, Tenant, Verifier, presets
from hookguard.errors import MalformedDelivery
from hookguard.head.target import Target, add_to_query, check_routed, split_target

SECRET = "a-secret-that-is-long-enough"
BASE = "https://hooks.example/api"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("", ("", "", None)),
        ("/", ("", "/", None)),
        ("/hook?", ("", "/hook", "")),
        ("/hook?a=1?b=/x://y", ("", "/hook", "a=1?b=/x://y")),
        ("//victim/hook", ("", "//victim/hook", None)),
        ("/hooks/alice/x://y/hooks/bob", ("", "/hooks/alice/x://y/hooks/bob", None)),
        ("https://x.example:8443", ("https://x.example:8443", "", None)),
        ("https://u:p@x.example/a%2Fb?c", ("https://u:p@x.example", "/a%2Fb", "c")),
        ("http://x?/hooks/bob", ("http://x", "", "/hooks/bob")),
    ],
)
def test_a_url_is_split_into_three_parts_that_make_it_again(url, parts):
    assert split_target(url) == parts
    assert str(Target(*parts)) == url


@pytest.mark.parametrize(
    "url",
    ["/hook#&data.id=999", "/hook?a#b", "/a b", "/a\tb", "/a\r\nb", "/a\x00", "/\x7f", "hook", "*", "a:/hook", "x?y", "//\nx"],
)
def test_a_url_with_two_readings_is_rejected(url):
    with pytest.raises(MalformedDelivery, match="more than one way"):
        split_target(url)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_a_split_url_is_joined_to_the_same_url(text):
    try:
        parts = split_target(text)
    except MalformedDelivery:
        return
    assert str(parts) == text
    assert not parts.path or parts.path[0] == "/"


@pytest.mark.parametrize("query", ["id=1&id=2", "id=1&id=", "id=&id=1", "id=1&%69d=2"])
def test_a_parameter_that_comes_twice_is_rejected_even_if_one_is_empty(query):
    with pytest.raises(MalformedDelivery, match="2 'id' parameters"):
        split_target(f"/hook?{query}").parameter("id")


def test_an_item_is_added_to_a_query():
    assert add_to_query("/hook", "a=1") == "/hook?a=1"
    assert add_to_query("/hook?b", "a=1") == "/hook?b&a=1"


@pytest.mark.parametrize(
    ("target", "routed"),
    [
        ("/hook", {"/hook"}),
        ("/hook/", {"/hook"}),
        ("/h%6Fok", {"/hook"}),
        ("/api/hook", {"/hook", "/api/hook"}),
        ("/hook?a=//b", {"/hook"}),
        ("http://x/hook", {"/hook"}),
    ],
)
def test_the_path_that_was_routed_is_read(target, routed):
    check_routed(split_target(target), routed)


@pytest.mark.parametrize(
    ("target", "routed"),
    [
        ("//victim/hook", {"/victim/hook"}),
        ("//victim/hook", {"//victim/hook"}),
        ("/victim//hook", {"/victim//hook"}),
        ("/victim/../hook", {"/victim/../hook"}),
        ("/victim/..", {"/victim/.."}),
        ("/./hook", {"/./hook"}),
        ("/victim\\hook", {"/victim\\hook"}),
        ("/hook", {"/victim/hook"}),
        ("/victim%2F%2Fhook", {"/victim//hook"}),
        ("http://x/hook", {"http://x/hook"}),
        ("/Hook", {"/hook"}),
        ("/hook%0A", {"/hook\n"}),  # Starlette's patterns leave the line break out
    ],
)
def test_a_path_that_a_router_reads_differently_is_rejected(target, routed):
    with pytest.raises(MalformedDelivery, match="not the one that was routed"):
        check_routed(split_target(target), routed)


def endpoint(preset, secrets=SECRET, **settings):
    return Endpoint(Verifier(preset, secrets), **settings)


def lookup(path, headers):
    return Tenant(path, [SECRET])


@pytest.mark.parametrize(
    ("preset", "secrets", "settings"),
    [
        ("github", lookup, {}),
        ("truelayer", "sandbox", {}),
        ("contentful", "0123456789abcdef" * 4, {}),
        ("hubspot", SECRET, {"public_base_url": BASE}),
        ("hubspot", lookup, {"public_url": f"{BASE}/hook"}),
    ],
    ids=["a lookup", "a signed path", "a signed path and query", "a signed URL", "a lookup and a signed URL"],
)
def test_where_the_path_counts_it_must_be_the_routed_one(preset, secrets, settings):
    if preset == "truelayer":
        pytest.importorskip("cryptography", reason="its tokens need the extra jwt")
    checked = endpoint(preset, secrets, **settings)
    assert checked.url("/hook", {"/hook"})
    with pytest.raises(MalformedDelivery):
        checked.url("//victim/hook", {"/victim/hook"})


@pytest.mark.parametrize(
    "checked", [endpoint("github"), endpoint("hubspot", public_url=f"{BASE}/hook")], ids=["nothing of it", "a URL of its own"]
)
def test_where_the_path_does_not_count_any_routed_path_will_do(checked):
    assert checked.url("//victim/hook", {"/victim/hook"})


@pytest.mark.parametrize("target", ["hook", "*", "/hook#x", "/a b", "x:hook"])
def test_an_invalid_target_is_rejected_everywhere(target):
    with pytest.raises(MalformedDelivery):
        endpoint("github").url(target, {"/hook"})


def test_the_host_of_an_absolute_target_is_left_out():
    assert endpoint("github").url("http://other.example/hook?a", {"/hook"}) == "/hook?a"
    assert endpoint("github").url("http://other.example", {"/"}) == "/"
    assert endpoint("hubspot", public_base_url=BASE).url("http://other.example/hook", {"/hook"}) == f"{BASE}/hook"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/hooks/alice/x://y/hooks/bob", "/hooks/alice/x://y/hooks/bob"),
        ("/hooks/al%69ce?x=/hooks/bob", "/hooks/alice"),
        ("https://x.example/hooks/alice", "/hooks/alice"),
        (f"{BASE}/hooks/alice", "/hooks/alice"),
    ],
)
def test_a_tenant_is_looked_up_by_the_routed_path(url, path):
    told = []

    def secrets_of(path, headers):
        told.append(path)
        return Tenant("alice", [SECRET])

    guard = Guard(endpoint("github", secrets_of, public_base_url=BASE), MemoryStore())
    delivery = presets.GITHUB.sign(b"{}", SECRET, id="1")
    assert guard.open(delivery._replace(url=url)).reply is None
    assert told == [path]


def test_a_tenant_is_not_looked_up_by_a_url_with_two_readings():
    guard = Guard(endpoint("github", lookup), MemoryStore())
    assert guard.open(Delivery(b"{}", presets.GITHUB.sign(b"{}", SECRET, id="1").headers, "POST", "/a#b")).reply.status == 400
