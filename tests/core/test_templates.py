"""Signatures over templates beyond the usual cases, which are in test_schemes.py."""

import base64
import hashlib
import hmac

import pytest

from hookguard import ConfigurationError, Delivery, HmacScheme, InBody, InHeader, Preset, SignatureHeader, Verifier
from hookguard.errors import (
    AmbiguousHeader,
    MalformedBody,
    MalformedHeader,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    Rejected,
    SignatureMismatch,
    TimestampOutOfTolerance,
)
from hookguard.schemes import Draft, Key
from hookguard.schemes.layout import Layout
from hookguard.secret import Secret
from hookguard.testing import FrozenClock

SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
BODY = b'{"id": "1"}'


def keys(scheme, *secrets):
    return [Key(f"#{place}", Secret(text), scheme.prepare(Secret(text))) for place, text in enumerate(secrets, 1)]


def mac(*parts, digest="sha256", secret=SECRET):
    return hmac.digest(secret.encode(), b"".join(parts), digest)


def check(scheme, headers, body=BODY, secrets=(SECRET,), **more):
    return scheme.verify(Delivery(body, headers, **more), keys(scheme, *secrets))


# --- signed headers ---


def test_any_header_may_be_signed():
    scheme = HmacScheme(
        signature=SignatureHeader("X-Sig", "{hex}"),
        signed="{header:X-Nonce}\n{timestamp}\n{body}\n",
        timestamp=InHeader("X-Time"),
    )
    assert scheme.covers == {"x-nonce", "x-time", "body"}
    headers = {"X-Nonce": "n1", "X-Time": "12", "X-Sig": mac(b"n1\n12\n", BODY, b"\n").hex()}
    assert check(scheme, headers) == ("#1", 12)
    with pytest.raises(SignatureMismatch):
        check(scheme, {**headers, "X-Nonce": "n2"})
    for wrong in ("", "n\u00e91", "n1\n12"):
        with pytest.raises(MalformedSignature, match="x-nonce"):
            check(scheme, {**headers, "X-Nonce": wrong})
    with pytest.raises(AmbiguousHeader):
        check(scheme, [*headers.items(), ("x-nonce", "n1")])


def test_a_signed_header_that_is_not_given_gets_the_id():
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{header:X-Nonce}.{body}")
    signed = scheme.sign(Draft(BODY, {}, id="msg_1"), keys(scheme, SECRET))
    assert signed.headers["x-nonce"] == "msg_1"
    assert scheme.sign(Draft(BODY, {"x-nonce": "own"}), keys(scheme, SECRET)).headers["x-nonce"] == "own"
    assert scheme.verify(signed, keys(scheme, SECRET)) == ("#1", None)


@pytest.mark.parametrize("signed", ["{header:}{body}", "{header}{body}", "{secrets}{body}"])
def test_placeholders_that_do_not_exist(signed):
    with pytest.raises(ConfigurationError, match="unknown placeholder"):
        HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed=signed)


# --- the secret in the signed text ---


def test_the_secret_may_be_part_of_what_is_signed():
    scheme = HmacScheme(
        signature=SignatureHeader("X-Token", "{base64}"),
        signed="{timestamp}\n{secret}",
        timestamp=InHeader("X-Timestamp"),
        timestamp_unit="ms",
    )
    assert scheme.covers == {"x-timestamp"}
    stamp = "1700000000123"
    headers = {"X-Timestamp": stamp, "X-Token": base64.b64encode(mac(f"{stamp}\n{SECRET}".encode())).decode()}
    assert check(scheme, headers, secrets=(OTHER, SECRET)) == ("#2", 1700000000.123)
    assert scheme.sign(Draft(BODY, {}, timestamp=1700000000.123), keys(scheme, SECRET)).headers["x-token"] == headers["X-Token"]
    with pytest.raises(SignatureMismatch):
        check(scheme, headers, secrets=(OTHER,))
    with pytest.raises(SignatureMismatch):
        check(scheme, {**headers, "X-Timestamp": "1700000000124"})


# --- timestamps ---


def test_a_timestamp_may_be_in_the_signed_body():
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), timestamp=InBody("sent.at"), timestamp_unit="ms")
    assert scheme.signs_timestamp
    assert scheme.covers == {"body"}
    body = b'{"sent": {"at": 1700000000123}}'
    signed = scheme.sign(Draft(body, {}), keys(scheme, SECRET))
    assert scheme.verify(signed, keys(scheme, SECRET)) == ("#1", 1700000000.123)
    for wrong, error in (
        (b'{"sent": {}}', MissingTimestamp),
        (b'{"sent": {"at": true}}', MissingTimestamp),
        (b'{"sent": {"at": 1.7e12}}', MissingTimestamp),
        (b'{"sent": {"at": "-1"}}', MalformedTimestamp),
        (b"no json", MalformedBody),
    ):
        with pytest.raises(error):
            scheme.verify(scheme.sign(Draft(wrong, {}), keys(scheme, SECRET)), keys(scheme, SECRET))
        # A forgery is called one before anything of its body is read.
        with pytest.raises(SignatureMismatch):
            scheme.verify(scheme.sign(Draft(wrong, {}), keys(scheme, OTHER)), keys(scheme, SECRET))
    with pytest.raises(ConfigurationError, match="not signed proves nothing"):
        HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{url}", timestamp=InBody("at"))
    with pytest.raises(ConfigurationError, match="where does {timestamp} come from"):
        HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), signed="{timestamp}{body}", timestamp=InBody("at"))


def test_a_timestamp_in_the_body_is_checked_like_any_other():
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), timestamp=InBody("at"))
    preset = Preset(name="x", scheme=scheme, event_id=InBody("id"), tolerance=60.0)
    verifier = Verifier(preset, SECRET, clock=FrozenClock(1_700_000_000))
    for off in (60, -60):
        verifier.verify(preset.sign(b'{"id": "1", "at": %d}' % (1_700_000_000 + off), SECRET))
        with pytest.raises(TimestampOutOfTolerance):
            verifier.verify(preset.sign(b'{"id": "1", "at": %d}' % (1_700_000_000 + 2 * off), SECRET))


@pytest.mark.parametrize(
    ("unit", "stamp", "seconds"),
    [
        ("s", "1700000000", 1_700_000_000.0),
        ("ms", "1700000000250", 1_700_000_000.25),
        ("s|ms", "1700000000250", 1_700_000_000.25),
        ("s|ms", "1700000000", 1_700_000_000.0),
        ("rfc3339", "2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("rfc3339", "2023-11-14T22:13:20.250000000Z", 1_700_000_000.25),
    ],
)
def test_timestamps_are_read_in_each_unit(unit, stamp, seconds):
    scheme = HmacScheme(
        signature=SignatureHeader("X-Sig", "{hex}"),
        signed="{timestamp}{body}",
        timestamp=InHeader("X-Time"),
        timestamp_unit=unit,
    )
    assert check(scheme, {"X-Time": stamp, "X-Sig": mac(stamp.encode(), BODY).hex()}) == ("#1", seconds)
    signed = scheme.sign(Draft(BODY, {}, timestamp=seconds), keys(scheme, SECRET))
    assert scheme.verify(signed, keys(scheme, SECRET))[1] == pytest.approx(seconds, abs=1)


# --- several headers, several signatures ---

NEW = SignatureHeader("acme-hmac", "{base64}")
OLD = SignatureHeader("X-Acme-Hmac", "{base64}")


def test_a_header_that_was_renamed_may_come_under_either_name():
    scheme = HmacScheme(signature=(NEW, OLD), any_header=True)
    assert scheme.required_header is None
    good, bad = (base64.b64encode(mac(BODY, secret=secret)).decode() for secret in (SECRET, OTHER))
    for name in ("acme-hmac", "x-acme-hmac"):
        assert check(scheme, {name: good}) == ("#1", None)
        with pytest.raises(SignatureMismatch):
            check(scheme, {name: bad})
    with pytest.raises(MissingSignature, match="none of the headers acme-hmac, X-Acme-Hmac"):
        check(scheme, {})
    with pytest.raises(MissingSignature):
        check(scheme, {"acme-hmac": "", "x-acme-hmac": ""})
    assert list(scheme.sign(Draft(BODY, {}), keys(scheme, SECRET)).headers) == ["acme-hmac"]
    with pytest.raises(ConfigurationError, match="one signature"):
        scheme.sign(Draft(BODY, {}), keys(scheme, SECRET, OTHER))


def test_numbered_headers_hold_one_signature_each():
    scheme = HmacScheme(signature=[SignatureHeader(f"X-Sig-{number}", "{base64}") for number in range(1, 17)])
    made = scheme.sign(Draft(BODY, {}), keys(scheme, *[f"{SECRET}-{number}" for number in range(16)]))
    assert len(made.headers) == 16
    assert scheme.verify(made, keys(scheme, f"{SECRET}-15")) == ("#1", None)


def test_two_headers_with_a_timestamp_each_must_agree():
    layout = "t={timestamp},v1={hex}"
    scheme = HmacScheme(signature=(SignatureHeader("A", layout), SignatureHeader("B", layout)), signed="{timestamp}.{body}")
    value = f"t=12,v1={mac(b'12.', BODY).hex()}"
    assert check(scheme, {"A": value, "B": value}) == ("#1", 12)
    with pytest.raises(MalformedSignature, match="different timestamps"):
        check(scheme, {"A": value, "B": value.replace("t=12", "t=13")})


@pytest.mark.parametrize("joined", [False, True])
def test_a_header_of_several_lines(joined):
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "sha256={hex}", repeated=True, optional_prefix=True))
    good, bad = (mac(BODY, secret=secret).hex() for secret in (SECRET, OTHER))
    for first, second in ((good, bad), (bad, good), (f"sha256={good}", bad), (bad, f"sha256={good}")):
        headers = {"X-Sig": f"{first}, {second}"} if joined else [("X-Sig", first), ("x-sig", second)]
        assert check(scheme, headers) == ("#1", None)
    with pytest.raises(SignatureMismatch):
        check(scheme, [("X-Sig", bad), ("x-sig", bad)])
    with pytest.raises(MissingSignature):
        check(scheme, {})
    with pytest.raises(MalformedHeader, match="17 lines"):
        check(scheme, [("X-Sig", good)] * 17)
    with pytest.raises(MalformedHeader):
        check(scheme, [("X-Sig", ",".join([good] * 9))] * 2)
    both = scheme.sign(Draft(BODY, {}), keys(scheme, SECRET, OTHER))
    assert scheme.verify(both, keys(scheme, OTHER)) == ("#1", None)


# --- layouts ---


def test_positional_items_are_read_by_their_number():
    layout = Layout("{timestamp},{hex}")
    assert layout.parse_header("12,ab,cd") == (["ab", "cd"], "12")
    assert layout.parse_header("12,ab") == (("ab",), "12")
    assert layout.write_header(["ab", "cd"], "12") == "12,ab,cd"
    for wrong in ("12", "", "ab"):
        with pytest.raises(MalformedSignature):
            layout.parse_header(wrong)
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{timestamp},{hex}"), signed="{timestamp}.{body}", timestamp_unit="ms")
    stamp = "1700000000123"
    good, bad = (mac(stamp.encode(), b".", BODY, secret=secret).hex() for secret in (SECRET, OTHER))
    assert check(scheme, {"X-Sig": f"{stamp},{bad},{good}"}) == ("#1", 1700000000.123)
    with pytest.raises(SignatureMismatch):
        check(scheme, {"X-Sig": f"{stamp},{bad}"})


def test_items_that_name_their_key():
    layout = Layout("{key}/SHA256/{hex}", separator=",")
    assert layout.parse_header("1/SHA256/ab,k-2/SHA256/cd") == (["/SHA256/ab", "/SHA256/cd"], None)
    for wrong in ("/SHA256/ab", "1/SHA512/ab", "ab"):
        with pytest.raises(MalformedSignature):
            layout.parse_header(wrong)
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{key}/SHA256/{hex}", separator=","))
    made = scheme.sign(Draft(BODY, {}), keys(scheme, OTHER, SECRET))
    assert made.headers["x-sig"] == f"1/SHA256/{mac(BODY, secret=OTHER).hex()},2/SHA256/{mac(BODY).hex()}"
    assert scheme.verify(made, keys(scheme, SECRET)) == ("#1", None)
    alone = HmacScheme(signature=SignatureHeader("X-Sig", "{key}|{hex}"))
    assert alone.verify(alone.sign(Draft(BODY, {}), keys(alone, SECRET)), keys(alone, SECRET)) == ("#1", None)
    with pytest.raises(SignatureMismatch):
        check(alone, {"X-Sig": f"1|{mac(BODY, secret=OTHER).hex()}"})
    with pytest.raises(MalformedSignature):
        check(alone, {"X-Sig": mac(BODY).hex()})


def test_hex_in_either_case_only_where_asked_for():
    strict = HmacScheme(signature=SignatureHeader("X-Sig", "sha512={HEX}"), digest="sha512")
    loose = HmacScheme(signature=SignatureHeader("X-Sig", "sha512={HEX}", ignore_case=True), digest="sha512")
    text = mac(BODY, digest="sha512").hex()
    for scheme in (strict, loose):
        assert check(scheme, {"X-Sig": f"sha512={text.upper()}"}) == ("#1", None)
        assert scheme.sign(Draft(BODY, {}), keys(scheme, SECRET)).headers["x-sig"] == f"sha512={text.upper()}"
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            check(scheme, {"X-Sig": f"SHA512={text.upper()}"})
    assert check(loose, {"X-Sig": f"sha512={text}"}) == ("#1", None)
    with pytest.raises((SignatureMismatch, MalformedSignature)):
        check(strict, {"X-Sig": f"sha512={text}"})
    with pytest.raises(ConfigurationError, match="ignore_case is for hex"):
        Layout("{base64}", ignore_case=True)


@pytest.mark.parametrize("encoding", ["hex", "HEX", "base64", "base64url", "base64url-nopad"])
def test_an_item_is_decoded_in_its_one_spelling_only(encoding):
    layout = Layout(f"v1={{{encoding}}}")
    for raw in (b"\xfb\xff\xfe", b"\xfb\xff", b"\xfb", bytes(32)):
        text = layout.encode(raw)
        assert layout.decode(f"v1={text}") == raw
        for wrong in (text, f"v1={text}=", f"v1= {text}", "v1=", f"v1={text}\n", f"v1={text}A==="):
            assert layout.decode(wrong) is None
    assert Layout("{base64}").decode("ZB==") is None, "stray bits"
    assert Layout("{base64}").decode("Z=Bk") is None


def test_base64url_without_padding():
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "t={timestamp},v1={base64url-nopad}"), signed="{timestamp}.{body}")
    text = base64.urlsafe_b64encode(mac(b"12.", BODY)).decode().rstrip("=")
    assert check(scheme, {"X-Sig": f"t=12,v1={text}"}) == ("#1", 12)
    stray = text[:-1] + chr(ord(text[-1]) + 1)
    for wrong in (stray, text + "="):
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            check(scheme, {"X-Sig": f"t=12,v1={wrong}"})


@pytest.mark.parametrize("value", ["t=12, v1={}", "t=12 ,v1={}", " t=12,v1={}", "t=12,v1={} ", "v1={} ,t=12"])
def test_a_space_is_read_only_where_the_layout_has_one(value):
    text = mac(b"12.", BODY).hex()
    scheme = HmacScheme(signature=SignatureHeader("X-Sig", "t={timestamp},v1={hex}"), signed="{timestamp}.{body}")
    with pytest.raises(Rejected):
        check(scheme, {"X-Sig": value.format(text)})
    spaced = SignatureHeader("X-Sig", "t={timestamp}, v1={hex}", separator=", ")
    scheme = HmacScheme(signature=spaced, signed="{timestamp}.{body}")
    assert check(scheme, {"X-Sig": f"t=12, v1={text}"}) == ("#1", 12)


def test_hashes_of_every_kind_are_what_python_says():
    # The hash of a key made ready is compared with hmac.new, which shares nothing with it but hashlib.
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        scheme = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"), digest=digest)
        expected = hmac.new(SECRET.encode(), BODY, getattr(hashlib, digest)).hexdigest()
        assert check(scheme, {"X-Sig": expected}) == ("#1", None)
