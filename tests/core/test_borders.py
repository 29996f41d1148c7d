import pytest

from hookguard import ConfigurationError, HmacScheme, Preset, SignatureHeader, Verifier
from hookguard.errors import MalformedTimestamp, SignatureMismatch
from hookguard.place import InHeader

NOW = 1_764_000_000
SECRET = "a-secret-that-is-long-enough"


def scheme(signed, **options):
    if "{id}" in signed:
        options["id"] = InHeader("X-Id")
    if "{timestamp}" in signed:
        options["timestamp"] = InHeader("X-Time")
    return HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed=signed, **options)


def preset(signed, **options):
    return Preset(name="acme", scheme=scheme(signed, **options), event_id=None, identity="content")


def verified(made, delivery):
    return Verifier(made, SECRET, clock=lambda: NOW).verify(delivery)


@pytest.mark.parametrize(
    "signed",
    ["{id}{body}", "{body}{id}", "{header:A}{body}", "{body}{header:A}", "{header:A}{header:B}.{body}", "{id}{header:A}.{body}",
     "{url}{header:A}.{body}", "{timestamp}.{header:A}{url}.{body}", "{id}{url}.{body}"],
)  # fmt: skip
def test_two_values_without_a_border_are_rejected_at_the_start(signed):
    with pytest.raises(ConfigurationError, match="no text separates"):
        scheme(signed)


@pytest.mark.parametrize(
    "signed",
    ["{timestamp}{body}", "{body}{timestamp}", "{id}{timestamp}{body}", "{url}{body}", "{body}{url}", "{method}{url}{body}{timestamp}",
     "{timestamp}{header:A}.{body}", "{id}.{body}", "{method}{id}.{body}", "{body}"],
)  # fmt: skip
def test_two_values_with_a_known_border_may_touch(signed):
    assert verified(preset(signed), preset(signed).sign(b"{}", SECRET, timestamp=NOW, url="https://shop.example/h?a[]=1"))


@pytest.mark.parametrize("unit", ["s", "ms", "s|ms"])
def test_a_digit_cannot_move_from_the_body_to_a_timestamp_that_touches_it(unit):
    made = preset("{timestamp}{body}", timestamp_unit=unit)
    genuine = made.sign(b"1234", SECRET, timestamp=NOW)
    stamp = genuine.headers["x-time"]
    for moved, body in ((stamp + "1", b"234"), (stamp[:-1], stamp[-1:].encode() + b"1234")):
        forged = genuine._replace(body=body, headers={**genuine.headers, "x-time": moved})
        with pytest.raises(MalformedTimestamp):
            Verifier(made, SECRET, tolerance=None, allow_stale=True).verify(forged)


URL = "https://shop.example/hooks?tenant=12"


@pytest.mark.parametrize(
    ("signed", "url", "body"),
    [
        ("{url}{body}", "https://shop.example/hooks", b'?tenant=12{"id": [1]}'),
        ("{url}{body}", "https://shop.example/hooks?tenant=1", b'2{"id": [1]}'),
        ("{url}{body}", URL + "{", b'"id": [1]}'),
        ("{url}{body}", URL + '{"id": ', b"[1]}"),
        ("{body}{url}", '"id": [1]}' + URL, b"{"),
        ("{body}{url}", "}" + URL, b'{"id": [1]'),
        ("{body}{url}", "//shop.example/hooks?tenant=12", b'{"id": [1]}https:'),
    ],
)
def test_characters_cannot_move_between_a_url_and_a_body_that_touch(signed, url, body):
    made = preset(signed)
    genuine = made.sign(b'{"id": [1]}', SECRET, url=URL)
    assert verified(made, genuine)
    assert (url.encode() + body if signed.startswith("{u") else body + url.encode()) in (
        URL.encode() + genuine.body,
        genuine.body + URL.encode(),
    )
    with pytest.raises(SignatureMismatch):
        verified(made, genuine._replace(url=url, body=body))
    with pytest.raises(SignatureMismatch, match="two readings|must be a JSON"):
        verified(made, genuine._replace(url=url, body=body))


def test_a_list_s_bracket_cannot_move_to_the_url():
    made = preset("{url}{body}")
    genuine = made.sign(b'[{"id": 1}]', SECRET, url=URL)
    with pytest.raises(SignatureMismatch):
        verified(made, genuine._replace(url=URL + "[", body=b'{"id": 1}]'))
