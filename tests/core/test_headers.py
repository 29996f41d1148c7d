from collections.abc import Mapping

import pytest

from hookguard import Headers
from hookguard.errors import AmbiguousHeader, MalformedHeader


@pytest.fixture(params=["mapping", "pairs", "wsgi", "asgi"])
def headers(request):
    """The same three headers, made in each of the ways a plugin makes them."""
    pairs = [("X-Signature", "sha256=ab"), ("Content-Type", "text/plain"), ("Content-Length", "3")]
    if request.param == "mapping":
        return Headers(dict(pairs))
    if request.param == "pairs":
        return Headers(pairs)
    if request.param == "asgi":
        return Headers.from_asgi([(name.lower().encode(), value.encode()) for name, value in pairs])
    return Headers.from_wsgi(
        {
            "HTTP_X_SIGNATURE": "sha256=ab",
            "CONTENT_TYPE": "text/plain",
            "CONTENT_LENGTH": "3",
            "REQUEST_METHOD": "POST",
            "wsgi.input": None,
        }
    )


def test_names_are_found_in_any_case(headers):
    assert headers["X-SIGNATURE"] == headers["x-signature"] == headers.get("X-Signature") == "sha256=ab"
    assert "CONTENT-type" in headers
    assert headers.one("content-length") == headers.whole("content-length") == "3"
    assert headers.all("X-Signature") == ("sha256=ab",)


def test_an_absent_header_returns_none_and_no_error(headers):
    assert headers.one("x-other") is None
    assert headers.whole("x-other") is None
    assert headers.get("X-Other") is None
    assert headers.get("X-Other", "else") == "else"
    assert headers.all("X-Other") == ()
    assert "X-Other" not in headers
    assert 7 not in headers
    with pytest.raises(KeyError):
        headers["X-Other"]


def test_all_of_them_can_be_gone_through(headers):
    assert sorted(headers) == ["content-length", "content-type", "x-signature"]
    assert len(headers) == 3
    assert dict(headers.items())["x-signature"] == "sha256=ab"


def test_each_way_of_making_them_gives_equal_headers(headers):
    assert headers == Headers({"x-signature": "sha256=ab", "content-type": "text/plain", "content-length": "3"})
    assert headers != Headers({"x-signature": "sha256=ab"})
    assert headers != "x-signature"


def test_an_underscore_is_not_a_hyphen():
    headers = Headers({"X_Hub_Signature_256": "sha256=ab"})
    assert headers.one("x-hub-signature-256") is None
    assert "x-hub-signature-256" not in headers


def test_a_header_that_comes_twice_is_ambiguous_and_both_values_are_kept():
    headers = Headers([("X-Signature", "good"), ("x-signature", "evil"), ("Other", "1")])
    for read in (headers.one, headers.whole):
        with pytest.raises(AmbiguousHeader, match="came 2 times"):
            read("x-signature")
    assert headers.all("X-Signature") == ("good", "evil")
    assert headers["X-Signature"] == "good"
    assert len(headers.items()) == 3


@pytest.mark.parametrize("value", ["a\r\nb", "a\0", "a\tb", "\x7f", "a\x85b"])
def test_control_characters_are_rejected(value):
    with pytest.raises(MalformedHeader, match="control character"):
        Headers({"x-id": value}).one("x-id")


def test_a_value_is_read_up_to_8_kib():
    assert Headers({"x-id": "a" * 8192}).one("x-id") == "a" * 8192
    for read in ("one", "whole"):
        with pytest.raises(MalformedHeader, match="8193"):
            getattr(Headers({"x-id": "a" * 8193}), read)("x-id")


def test_one_strips_spaces_and_whole_does_not():
    headers = Headers({"x-id": "  a b "})
    assert headers.one("x-id") == "a b"
    assert headers.whole("x-id") == "  a b "


def test_headers_of_headers_are_the_same_headers():
    headers = Headers({"A": "1"})
    assert Headers(headers) == headers


def test_repr_names_and_hides():
    assert repr(Headers({"X-Token": "very secret"})) == "Headers(x-token)"


def test_an_environ_may_have_empty_or_missing_content_headers():
    headers = Headers.from_wsgi({"CONTENT_TYPE": "", "HTTP_X_A": "1", "HTTP_CONTENT_TYPE": "never", "SERVER_NAME": "x"})
    assert list(headers) == ["x-a"]
    assert headers.one("content-type") is None
    assert len(headers) == 1


def test_an_environs_underscore_names_cannot_be_asked_for():
    # PEP 3333 has turned hyphens into underscores, so a name with an underscore is nothing one may trust.
    assert Headers.from_wsgi({"HTTP_X_A": "1"}).get("x_a") is None


def test_headers_are_a_mapping_whose_items_keep_every_value():
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("X-B", "3")])
    assert isinstance(headers, Mapping)
    assert headers.items() == [("x-a", "1"), ("x-a", "2"), ("x-b", "3")]
    assert dict(headers) == {"x-a": "1", "x-b": "3"}
    assert (list(headers.keys()), list(headers.values())) == (["x-a", "x-b"], ["1", "3"])


def test_every_way_to_read_a_header_ignores_case():
    for headers in (Headers({"x-aCME-Seal": "abc"}), Headers.from_wsgi({"HTTP_X_ACME_SEAL": "abc"})):
        for name in ("X-Acme-Seal", "x-acme-seal", "X-ACME-SEAL"):
            read = [headers[name], headers.get(name), headers.one(name), headers.whole(name), *headers.all(name)]
            assert read == ["abc"] * 5
            assert name in headers
