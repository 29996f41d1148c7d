import base64
import hashlib
import hmac

import pytest

from hookguard import (
    CallbackScheme,
    ConfigurationError,
    Delivery,
    FirstOf,
    HmacScheme,
    InBody,
    InForm,
    InHeader,
    Joined,
    Preset,
    SignatureHeader,
    TokenScheme,
    Verifier,
)
from hookguard.errors import (
    MalformedHeader,
    MalformedSignature,
    MalformedTimestamp,
    MissingSignature,
    MissingTimestamp,
    SignatureMismatch,
    TimestampOutOfTolerance,
)
from hookguard.preset import make_keys
from hookguard.schemes import Draft, FieldsScheme, JwtScheme, Key
from hookguard.schemes.hmac import HmacKey
from hookguard.secret import Secret
from hookguard.testing import FrozenClock

SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
BODY = b'{"id": "1"}'


def keys(scheme, *secrets):
    return [Key(f"#{place}", Secret(text), scheme.prepare(Secret(text))) for place, text in enumerate(secrets, 1)]


def mac(*parts, digest="sha256", secret=SECRET):
    return hmac.digest(secret.encode(), b"".join(parts), digest)


def scheme(**changes):
    return HmacScheme(**{"signature": SignatureHeader("X-Sig", "{hex}"), **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"signature": ()}, "at least one"),
        ({"digest": "md5"}, "digest 'md5'"),
        ({"signed": "{bodi}"}, "unknown placeholder {bodi}"),
        ({"signed": "{body}{body}"}, "a placeholder is repeated"),
        ({"signed": "{timestamp}.{body}"}, "where does {timestamp} come from"),
        ({"timestamp": InHeader("X-Time")}, "not signed proves nothing"),
        ({"signature": SignatureHeader("X-Sig", "t={timestamp},v1={hex}")}, "not signed proves nothing"),
        (
            {
                "signature": SignatureHeader("X-Sig", "t={timestamp},v1={hex}"),
                "timestamp": InHeader("X-Time"),
                "signed": "{timestamp}{body}",
            },
            "remove timestamp=",
        ),
        ({"signed": "{id}.{body}"}, "go together"),
        ({"signature": "X-Sig"}, r"signature is 'X-Sig': give SignatureHeader\('X-Sig', '{hex}'\)"),
        ({"signature": ["X-Sig"]}, r"signature is 'X-Sig': give SignatureHeader\("),
        ({"signature": 5}, r"signature is int: give SignatureHeader\("),
        ({"signed": None}, "signed is None: give the text"),
        ({"timestamp": "X-Time"}, r"timestamp is 'X-Time': give its place with InHeader\('X-Time'\) or InBody"),
        ({"timestamp": InForm("t")}, r"timestamp is form `t`: give its place with InHeader\(…\) or InBody"),
        ({"id": "X-Id"}, r"id is 'X-Id': give its place with InHeader\('X-Id'\)"),
        ({"timestamp_unit": "min"}, "timestamp_unit is 'min'; choose"),
        ({"timestamp_unit": ["s"]}, "timestamp_unit is"),
        ({"secret_format": "b64"}, "secret_format is 'b64'; choose"),
        ({"id": InHeader("X-Id")}, "go together"),
        ({"signature": (SignatureHeader("A", "{hex}"), SignatureHeader("B", "{base64}"))}, "the same way"),
    ],
)
def test_parts_that_do_not_fit_are_found_when_the_scheme_is_made(changes, why):
    with pytest.raises(ConfigurationError, match=why):
        scheme(**changes)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "HEX", "base64", "base64url"])
def test_every_digest_and_encoding(digest, encoding):
    made = scheme(signature=SignatureHeader("X-Sig", f"v={{{encoding}}}"), digest=digest)
    expected = mac(BODY, digest=digest)
    text = {
        "hex": expected.hex(),
        "HEX": expected.hex().upper(),
        "base64": base64.b64encode(expected).decode(),
        "base64url": base64.urlsafe_b64encode(expected).decode(),
    }[encoding]
    assert made.verify(Delivery(BODY, {"X-Sig": f"v={text}"}), keys(made, SECRET)) == ("#1", None)
    assert made.sign(Draft(BODY, {}), keys(made, SECRET)).headers["x-sig"] == f"v={text}"
    for wrong in (text, "v=" + text[:-1], "v=" + text + "=", "v= " + text, "v=" + text.swapcase(), "v="):
        with pytest.raises((SignatureMismatch, MalformedSignature)):
            made.verify(Delivery(BODY, {"X-Sig": wrong}), keys(made, SECRET))


def test_the_text_before_and_behind_the_body_is_signed_with_it():
    made = scheme(signed="100%|{method}|{url}|{body}|{timestamp}|{id}", timestamp=InHeader("X-Time"), id=InHeader("X-Id"))
    headers = {"X-Time": "12", "X-Id": "evt"}
    signature = mac(b"100%|POST|https://x/?a=1|", BODY, b"|12|evt").hex()
    delivery = Delivery(BODY, {**headers, "X-Sig": signature}, "POST", "https://x/?a=1")
    assert made.verify(delivery, keys(made, SECRET)) == ("#1", 12)
    assert made.covers == {"body", "url", "method", "x-time", "x-id"}
    for change in ({"url": "https://x/?a=2"}, {"method": "PUT"}, {"body": BODY + b" "}):
        with pytest.raises(SignatureMismatch):
            made.verify(delivery._replace(**change), keys(made, SECRET))
    for name, value in (("X-Time", "13"), ("X-Id", "evu")):
        with pytest.raises(SignatureMismatch):
            made.verify(
                Delivery(BODY, {**headers, "X-Sig": signature, name: value}, "POST", "https://x/?a=1"), keys(made, SECRET)
            )


def test_a_scheme_may_sign_the_url_alone():
    made = scheme(signed="{url}")
    assert made.covers == {"url"}
    signed = made.sign(Draft(BODY, {}, "POST", "/a"), keys(made, SECRET))
    assert made.verify(signed, keys(made, SECRET)) == ("#1", None)
    with pytest.raises(SignatureMismatch):
        made.verify(signed._replace(url="/b"), keys(made, SECRET))


def test_an_undecodable_url_makes_another_signature_and_no_error():
    made = scheme(signed="{url}{body}")
    with pytest.raises(SignatureMismatch):
        made.verify(Delivery(BODY, {"X-Sig": "ab" * 32}, "POST", "/\udcff"), keys(made, SECRET))


def test_any_of_several_secrets_may_match_and_is_named():
    made = scheme()
    delivery = made.sign(Draft(BODY, {}), keys(made, OTHER))
    assert made.verify(delivery, keys(made, SECRET, OTHER)) == ("#2", None)
    with pytest.raises(SignatureMismatch, match="secrets tried: 1"):
        made.verify(delivery, keys(made, SECRET))


def test_a_second_header_may_carry_the_match():
    made = scheme(signature=(SignatureHeader("X-Sig", "{base64}"), SignatureHeader("X-Sig-2", "{base64}")))
    both = made.sign(Draft(BODY, {}), keys(made, OTHER, SECRET))
    assert made.verify(both, keys(made, SECRET)) == ("#1", None)
    assert made.verify(both, keys(made, OTHER)) == ("#1", None)
    only_second = {name: value for name, value in both.headers.items() if name == "x-sig-2"}
    with pytest.raises(MissingSignature):
        made.verify(Delivery(BODY, only_second), keys(made, SECRET))
    with pytest.raises(ConfigurationError, match="one signature"):
        scheme().sign(Draft(BODY, {}), keys(scheme(), SECRET, OTHER))


def test_too_many_signatures_over_several_headers():
    layout = "t={timestamp},v1={hex}"
    made = scheme(signature=(SignatureHeader("A", layout), SignatureHeader("B", layout)), signed="{timestamp}{body}")
    many = "t=1," + ",".join(["v1=" + "ab" * 32] * 9)
    with pytest.raises(MalformedHeader, match="18 signatures"):
        made.verify(Delivery(BODY, {"A": many, "B": many}), keys(made, SECRET))


def test_timestamp_headers_are_read_and_written():
    made = scheme(signed="{timestamp}.{body}", timestamp=InHeader("X-Time"), timestamp_unit="ms")
    signed = made.sign(Draft(BODY, {}, timestamp=12.5), keys(made, SECRET))
    assert signed.headers["x-time"] == "12500"
    assert made.verify(signed, keys(made, SECRET)) == ("#1", 12.5)
    signature = signed.headers["x-sig"]
    with pytest.raises(MissingTimestamp):
        made.verify(Delivery(BODY, {"X-Sig": signature}), keys(made, SECRET))
    with pytest.raises(MalformedTimestamp):
        made.verify(Delivery(BODY, {"X-Sig": signature, "X-Time": "soon"}), keys(made, SECRET))


@pytest.mark.parametrize("value", [None, "", "a.b", "é", "a\0"])
def test_a_signed_id_must_be_there_and_must_not_hold_what_ends_it(value):
    made = scheme(signed="{id}.{body}", id=InHeader("X-Id"))
    headers = {"X-Sig": "ab" * 32} | ({} if value is None else {"X-Id": value})
    with pytest.raises(MalformedSignature):
        made.verify(Delivery(BODY, headers), keys(made, SECRET))


def test_the_border_between_id_and_body_cannot_be_moved():
    made = scheme(signed="{id}.{body}", id=InHeader("X-Id"))
    signed = made.sign(Draft(b"b.c", {}, id="a"), keys(made, SECRET))
    moved = Delivery(b"c", {**dict(signed.headers.items()), "x-id": "a.b"})
    # The bytes that are hashed are the same ones: only the rejection of the id keeps them apart.
    assert mac(b"a.b.c").hex() == signed.headers["x-sig"]
    with pytest.raises(MalformedSignature, match="the text that ends it"):
        made.verify(moved, keys(made, SECRET))


def test_the_operator_reads_why_nothing_matched():
    made = scheme()
    for value, error in (
        ("ab" * 32, SignatureMismatch),
        ("ab", MalformedSignature),
        ("ab" * 32 + "\0", MalformedHeader),
        ("é", MalformedSignature),
    ):
        with pytest.raises(error):
            made.verify(Delivery(BODY, {"X-Sig": value}), keys(made, SECRET))


def test_the_key_is_not_in_any_repr():
    made = scheme()
    assert SECRET not in repr(keys(made, SECRET))
    assert repr(HmacKey(b"k", "sha256")) == "HmacKey()"
    assert "X-Sig" in repr(made)
    assert "X-Sig" in repr(SignatureHeader("X-Sig", "{hex}"))


@pytest.mark.parametrize("size", [1, 20, 63, 64, 65, 127, 128, 129, 200])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_the_keyed_hash_is_the_standard_librarys_at_every_block_border(size, digest):
    key = bytes(range(1, size + 1)) if size < 255 else b"k" * size
    assert HmacKey(key, digest).digest(b"a", b"", b"bc") == hmac.digest(key, b"abc", digest)


# --- token


def test_a_token_is_compared_whole():
    made = TokenScheme(token=InHeader("X-Token"))
    signed = made.sign(Draft(BODY, {}), keys(made, SECRET))
    assert made.verify(signed, keys(made, OTHER, SECRET)) == ("#2", None)
    assert made.covers == frozenset()
    for value in (SECRET[:-1], SECRET + "x", SECRET.upper(), "é", "\u20ac"):
        with pytest.raises(SignatureMismatch):
            made.verify(Delivery(BODY, {"X-Token": value}), keys(made, SECRET))
    for headers in ({}, {"X-Token": ""}, {"X-Token": "  "}):
        with pytest.raises(MissingSignature):
            made.verify(Delivery(BODY, headers), keys(made, SECRET))
    with pytest.raises(ConfigurationError, match="one token"):
        made.sign(Draft(BODY, {}), keys(made, SECRET, OTHER))
    assert repr(made) == "TokenScheme(InHeader(name='X-Token'))"


def test_a_token_beyond_ascii_is_compared_as_the_bytes_on_the_wire():
    made = TokenScheme(token=InHeader("X-Token"))
    token = "pässwörter-sind-gut"
    on_the_wire = token.encode().decode("latin-1")
    assert made.verify(Delivery(BODY, {"X-Token": on_the_wire}), keys(made, token)) == ("#1", None)


# --- callback URLs


def callback_preset(**options):
    return Preset(name="callback", scheme=CallbackScheme(**options), event_id=None, identity="content", tolerance=60)


def test_a_callback_url_works_for_its_audience_until_it_is_too_old():
    clock = FrozenClock(1_700_000_000)
    preset = callback_preset(audience="imports")
    signed = preset.sign(BODY, SECRET, url="https://x/cb?job=7", timestamp=clock())
    assert signed.url.startswith("https://x/cb?job=7&token=")
    verifier = Verifier(preset, SECRET, clock=clock)
    assert verifier.verify(signed).timestamp == clock()
    clock.advance(61)
    with pytest.raises(TimestampOutOfTolerance):
        verifier.verify(signed)
    with pytest.raises(SignatureMismatch):
        Verifier(callback_preset(audience="exports"), SECRET, clock=clock).verify(signed)
    with pytest.raises(SignatureMismatch):
        Verifier(preset, OTHER, clock=clock).verify(signed)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("/cb", MissingSignature),
        ("/cb?other=1", MissingSignature),
        ("/cb#token=x", MalformedSignature),
        ("/cb?token=a&token=b", MalformedSignature),
        ("/cb?" + "a" * 8193, MalformedSignature),
        ("/cb?" + "&".join(["a=1"] * 101), MalformedSignature),
        ("/cb?token=abc", SignatureMismatch),
        ("/cb?token=%ff.%ff.%ff", SignatureMismatch),
        ("/cb?token=" + "." * 500, SignatureMismatch),
    ],
)
def test_bad_callback_urls(url, error):
    with pytest.raises(error):
        Verifier(callback_preset(), SECRET).verify(Delivery(BODY, {}, "POST", url))


def test_a_token_made_for_something_else_with_the_same_secret_does_not_pass():
    from itsdangerous import URLSafeTimedSerializer

    token = URLSafeTimedSerializer(SECRET, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}).dumps(
        "webhook"
    )
    with pytest.raises(SignatureMismatch):
        Verifier(callback_preset(), SECRET).verify(Delivery(BODY, {}, "POST", f"/cb?token={token}"))


def test_callback_settings_are_checked():
    for wrong in ({"audience": ""}, {"parameter": "to ken"}):
        with pytest.raises(ConfigurationError):
            CallbackScheme(**wrong)
    made = CallbackScheme()
    with pytest.raises(ConfigurationError, match="one secret"):
        made.sign(Draft(BODY, {}), keys(made, SECRET, OTHER))
    assert "webhook" in repr(made)


# --- presets of one's own


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "lower-case"),
        ({"name": "Acme"}, "lower-case"),
        ({"name": "ac me"}, "lower-case"),
        ({"event_id": InHeader("X-Id")}, "does not cover the event id"),
        ({"event_id": None}, "does not cover the event id"),
        ({"event_id": None, "identity": "id"}, 'identity="content"'),
        ({"name": 5}, "lower-case"),
        ({"event_id": "id"}, r"preset 'acme': event_id is 'id': give its place with InHeader\('id'\), InBody\('id'\)"),
        ({"event_id": InBody}, "event_id is the class InBody"),
        ({"event_type": "type"}, "event_type is 'type': give its place"),
        ({"scheme": "hmac"}, "scheme is 'hmac': give one from"),
        ({"scheme": HmacScheme}, "HmacScheme'>: give one from"),
        ({"identity": "ids"}, "identity is 'ids'; choose"),
        ({"batch": "items"}, "batch is 'items'; give Batch"),
        ({"tolerance": "5"}, "tolerance is '5'; give seconds"),
        ({"tolerance": 0}, "more than 0"),
        ({"tolerance": float("nan")}, "more than 0"),
    ],
)
def test_presets_say_what_is_wrong_with_them(changes, why):
    with pytest.raises(ConfigurationError, match=why):
        Preset(**{"name": "acme", "scheme": scheme(), "event_id": InBody("id"), **changes})


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: SignatureHeader(None, "{hex}"), "None is not a header name"),
        (lambda: SignatureHeader("X_Sig", "{hex}"), "'X_Sig' is not a header name"),
        (lambda: SignatureHeader("X-Sig", None), "layout is None"),
        (lambda: FirstOf("a", InBody("b")), r"a place of FirstOf is 'a': give its place with InHeader\('a'\)"),
        (lambda: Joined(InBody("b"), "a"), "a place of Joined is 'a'"),
        (lambda: TokenScheme(token="X-Token"), r"token is 'X-Token': give its place with InHeader\('X-Token'\)"),
        (lambda: JwtScheme(algorithm="HS256", claims={}, token="X-Token"), "token is 'X-Token': give its place"),
        (
            lambda: FieldsScheme(signature="sig", signed=(InBody("a"),)),
            r"signature is 'sig': give its place with .*InBody\('sig'\)",
        ),
        (lambda: FieldsScheme(signature=InBody("sig"), signed=(5, InBody("a"))), "what is signed is int"),
        (lambda: Verifier(5, SECRET), "preset is int: give the name of a preset, or a Preset"),
    ],
)
def test_a_text_in_place_of_a_place_is_rejected_with_advice(make, why):
    with pytest.raises(ConfigurationError, match=why):
        make()


def test_a_covered_id_needs_no_identity():
    preset = Preset(name="acme", scheme=scheme(), event_id=InBody("id"), event_type=InHeader("X-Type"))
    assert preset.id_covered
    assert not preset.type_covered


def test_secrets_are_named_by_their_place_and_checked_one_by_one():
    preset = Preset(name="acme", scheme=scheme(), event_id=InBody("id"))
    assert [key.name for key in make_keys(preset, [SECRET, Secret(OTHER, name="old")])] == ["#1", "old"]
    with pytest.raises(ConfigurationError, match="acme secret #2: the secret is empty"):
        make_keys(preset, [SECRET, ""])
    with pytest.raises(ConfigurationError, match="secrets are missing"):
        make_keys(preset, [])
    with pytest.raises(ConfigurationError, match="text or bytes"):
        make_keys(preset, None)
    with pytest.raises(ConfigurationError, match="two secrets have the name 'a'"):
        make_keys(preset, [Secret(SECRET, name="a"), Secret(OTHER, name="a")])
