import pytest

from hookguard import ConfigurationError, Delivery, Verifier, presets
from hookguard.errors import MalformedSignature, MalformedTimestamp, MissingSignature, MissingTimestamp, SignatureMismatch
from hookguard.preset import make_keys
from hookguard.schemes import Draft, HmacScheme

SECRET = "0123456789abcdef" * 4
NOW = 1_700_000_000.5
SIGNED = "x-contentful-signed-headers"


def signed(body=b'{"sys":{}}', url="/hook?q=1", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return presets.CONTENTFUL.sign(body, SECRET, url=url, headers=named, timestamp=NOW)


def verify(delivery):
    return presets.CONTENTFUL.scheme.verify(delivery, make_keys(presets.CONTENTFUL, SECRET))


def changed(delivery, *, without=(), headers=(), **parts):
    kept = {name: value for name, value in delivery.headers.items() if name not in without}
    parts = {"body": delivery.body, "url": delivery.url, "method": delivery.method, **parts}
    return Delivery(parts["body"], {**kept, **dict(headers)}, parts["method"], parts["url"])


def test_everything_listed_counts():
    delivery = signed(x_topic="publish", content_type="application/json")
    assert verify(delivery) == ("#1", NOW)
    for other in (
        changed(delivery, body=b"{}"),
        changed(delivery, url="/hook?q=2"),
        changed(delivery, url="/hooks?q=1"),
        changed(delivery, method="PUT"),
        changed(delivery, headers={"x-topic": "delete"}),
        changed(delivery, without={"x-topic"}),
        changed(delivery, headers={"x-contentful-timestamp": "1700000000501"}),
    ):
        with pytest.raises(SignatureMismatch):
            verify(other)
    assert verify(changed(delivery, headers={"x-other": "anything"})) == ("#1", NOW)


def test_only_path_and_query_are_signed():
    delivery = signed()
    assert verify(changed(delivery, url="https://example.com/hook?q=1")) == ("#1", NOW)


def test_values_that_the_official_package_leaves_unsigned_are_rejected():
    with pytest.raises(MalformedSignature, match="second question mark"):
        verify(changed(signed(), url="/hook?q=1?&q=2"))


def test_a_signed_header_cannot_hide_in_its_neighbour():
    delivery = signed(x_crn="crn", x_environment="master", content_type="application/json; charset=utf-8")
    assert verify(delivery) == ("#1", NOW)
    with pytest.raises(MalformedSignature, match="two readings"):
        verify(changed(delivery, without={"x-environment"}, headers={"x-crn": "crn;x-environment:master"}))


def test_only_methods_with_a_body_are_accepted():
    assert presets.CONTENTFUL.methods == {"POST", "PUT", "PATCH"}


@pytest.mark.parametrize(
    "listed",
    ["", "x-topic", "x-contentful-timestamp", SIGNED, f"{SIGNED},x-contentful-timestamp,x-contentful-signature", "é", ",", "a b"],
)
def test_a_list_without_itself_and_the_timestamp_is_rejected(listed):
    with pytest.raises((MalformedSignature, MissingSignature)):
        verify(changed(signed(), headers={SIGNED: listed}))


def test_too_long_a_list():
    listed = ",".join([SIGNED, "x-contentful-timestamp", *(f"x-{number}" for number in range(60))])
    with pytest.raises(MalformedSignature, match="more than 50"):
        verify(changed(signed(), headers={SIGNED: listed}))


@pytest.mark.parametrize(
    ("value", "error"), [("", MissingTimestamp), ("soon", MalformedTimestamp), ("1" * 99, MalformedTimestamp)]
)
def test_an_invalid_timestamp_is_rejected(value, error):
    with pytest.raises(error):
        verify(changed(signed(), headers={"x-contentful-timestamp": value}))


@pytest.mark.parametrize("value", ["", "A" * 64, "0" * 63, "0" * 65, "é" * 64])
def test_an_invalid_signature_is_rejected(value):
    with pytest.raises((MissingSignature, MalformedSignature)):
        verify(changed(signed(), headers={"x-contentful-signature": value}))


@pytest.mark.parametrize("url", ["", "?", "/\ud800", "//x", "https://", "/%"])
def test_hostile_urls_are_rejected(url):
    with pytest.raises(SignatureMismatch):
        verify(changed(signed(), url=url))


def test_a_delivery_that_cannot_be_signed_raises():
    with pytest.raises(ConfigurationError, match="cannot be signed"):
        signed(**{SIGNED: "a"})
    with pytest.raises(ConfigurationError, match="one signature"):
        presets.CONTENTFUL.sign(b"", [SECRET, SECRET + "1"])


def test_hubspot_undoes_some_escapes_of_the_url_and_no_others():
    plain, escaped = "https://example.com/a?b=c:d/e", "https://example.com/a?b=c%3Ad%2fe"
    delivery = presets.HUBSPOT.sign(b"[]", SECRET, url=plain, timestamp=NOW)
    keys = make_keys(presets.HUBSPOT, SECRET)
    assert presets.HUBSPOT.scheme.verify(delivery._replace(url=escaped), keys) == ("#1", NOW)
    with pytest.raises(SignatureMismatch):
        presets.HUBSPOT.scheme.verify(delivery._replace(url=plain.replace("=", "%3D")), keys)


def test_hubspot_signs_the_url_as_it_is_too():
    url = "https://example.com/a?b=c%3Ad%2fe"
    keys = make_keys(presets.HUBSPOT, SECRET)
    as_it_is = HmacScheme.sign(presets.HUBSPOT.scheme, Draft(b"[]", {}, url=url, timestamp=NOW), keys)
    assert presets.HUBSPOT.scheme.verify(as_it_is, keys) == ("#1", NOW)
    with pytest.raises(SignatureMismatch):
        presets.HUBSPOT.scheme.verify(as_it_is._replace(url=url + "1"), keys)


def test_the_content_type_may_be_replaced_unless_the_caller_gave_it():
    url = "/hooks/contentful"
    other = {"Content-Type": "application/vnd.contentful.management.v1+json"}
    delivery = presets.CONTENTFUL.sign(b"{}", SECRET, url=url)
    verifier = Verifier("contentful", SECRET)
    assert verifier.verify(Delivery(b"{}", {**delivery.headers, **other}, "POST", url)).body == b"{}"
    given = presets.CONTENTFUL.sign(b"{}", SECRET, url=url, headers={"content-type": "application/json"})
    with pytest.raises(SignatureMismatch):
        verifier.verify(Delivery(b"{}", given.headers | other, "POST", url))
