"""Known attacks on webhook receivers, one test a row; each says what must happen and where the row comes from.

Rows whose tests stand elsewhere are named at the end, and are missed when such a test is gone.
"""

import ast
import base64
import hmac
import json
from pathlib import Path

import pytest
from named_tests import TESTS, functions
from shapes import SHAPES

import hookguard
from hookguard import Delivery, Endpoint, Guard, MemoryStore, Secret, Tenant, Verifier, errors, presets
from hookguard.errors import ConfigurationError
from hookguard.testing import FrozenClock

NOW = 1_700_000_000.0
SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
WHSEC = "whsec_" + base64.b64encode(bytes(range(7, 39))).decode()
BODY = b'{"id": "evt_1", "type": "invoice.paid"}'
DIGEST = "ab" * 32

ROWS: dict[int, list[str]] = {}


def row(*numbers):
    """Mark the rows of the list that a test stands for."""

    def mark(test):
        for number in numbers:
            ROWS.setdefault(number, []).append(test.__name__)
        return test

    return mark


class Store(MemoryStore):
    """A real store that counts the calls."""

    def __init__(self):
        super().__init__()
        self.claims = 0

    def claim(self, key, **arguments):
        self.claims += 1
        return super().claim(key, **arguments)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def attack(store):
    """Send a delivery to an endpoint; check its error and status, and that the store was left alone."""

    def send(delivery, error, status, preset="stripe", secrets=SECRET, **options):
        guard = Guard(Endpoint(Verifier(preset, secrets, clock=FrozenClock(NOW)), **options), store)
        before = store.claims
        receipt = guard.open(delivery)
        assert receipt.reply is not None, "the attack was accepted"
        assert (type(receipt.error), receipt.reply.status) == (error, status)
        assert store.claims == before, "an unverified delivery reached the store"
        # One opaque sentence, the same for all of a status.
        assert set(json.loads(receipt.reply.body)) == {"type", "title", "status"}
        return receipt

    return send


def signed(preset="stripe", body=BODY, secret=None, timestamp=NOW, **options):
    made = presets.get(preset)
    secret = secret or (WHSEC if made.scheme.secret_format == "whsec" else SECRET)
    return made.sign(body, secret, timestamp=timestamp, **options)


def with_header(delivery, name, value):
    return Delivery(delivery.body, {**dict(delivery.headers.items()), name.lower(): value}, delivery.method, delivery.url)


PRESETS = SHAPES


def carrier(preset):
    """The header that carries the signature; the first of several that may."""
    return preset.scheme.required_header or preset.scheme.signature[0].lower


@row(1)
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_signature_is_rejected(attack, name, value):
    preset = presets.get(name)
    header = carrier(preset)
    headers = {key: text for key, text in signed(name, id="1").headers.items() if key != header}
    if value is not None:
        headers[header] = value
    secret = WHSEC if preset.scheme.secret_format == "whsec" else SECRET
    receipt_error = (
        errors.MissingSignature if not (value or "").isspace() or name == "gitlab-token" else errors.MalformedSignature
    )
    attack(Delivery(BODY, headers), receipt_error, 401, name, secret)


@row(2, 3)
@pytest.mark.parametrize(
    "secret", [None, "", " ", "\n", "whsec_", "!!!!", "whsec_!!!!", b"", "whsec_QUJD", [], [None], ["", SECRET], [SECRET, ""]]
)
@pytest.mark.parametrize("name", PRESETS)
def test_nothing_empty_or_short_is_ever_a_secret(name, secret):
    if secret in ("whsec_QUJD", "whsec_!!!!") and presets.get(name).scheme.secret_format == "text":
        return  # there whsec_ is part of the text and means nothing
    with pytest.raises((ConfigurationError, TypeError)):
        Verifier(name, secret)


@row(4)
@pytest.mark.parametrize("secret", ["deadbeef" * 3 + "-", "not base64 at all!", "whsec_" + "zz_zz-zz" * 4])
def test_text_where_base64_belongs_is_not_decoded_into_some_other_key(secret):
    with pytest.raises(ConfigurationError):
        Verifier("standard-webhooks", secret)


@row(5)
@pytest.mark.parametrize("cut", [0, 1, 8, 43])
def test_a_prefix_of_the_right_signature_is_rejected(attack, cut):
    genuine = signed("standard-webhooks", id="msg_1")
    text = genuine.headers["webhook-signature"]
    attack(with_header(genuine, "webhook-signature", text[: 3 + cut]), errors.MalformedSignature, 401, "standard-webhooks", WHSEC)


@row(6)
def test_another_schemes_signature_and_the_first_of_a_list(attack, store):
    genuine = signed("standard-webhooks", id="msg_1")
    text = genuine.headers["webhook-signature"]
    for wrong in (text.replace("v1,", "v1a,"), text.replace("v1,", "v2,"), text[3:]):
        attack(with_header(genuine, "webhook-signature", wrong), errors.MalformedSignature, 401, "standard-webhooks", WHSEC)
    # A genuine one is found wherever it stands.
    guard = Guard(Endpoint(Verifier("standard-webhooks", WHSEC, clock=FrozenClock(NOW))), store)
    listed = with_header(genuine, "webhook-signature", f"v1a,zzz v1,{base64.b64encode(bytes(32)).decode()} {text}")
    assert guard.open(listed).reply is None


@row(7)
def test_every_comparison_of_secrets_takes_constant_time():
    """Structural: in the schemes, what comes from the sender is compared by compare_digest and by nothing else."""
    package = Path(hookguard.__file__).parent
    constant = set()
    for path in (package / "schemes").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "compare_digest":
                constant.add(path.name)
            if isinstance(node, ast.Compare) and any(isinstance(operation, (ast.Eq, ast.NotEq)) for operation in node.ops):
                names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                assert not names & {"expected", "signature", "came", "token"}, f"{path.name}:{node.lineno}"
    # The callback scheme leaves it to itsdangerous, public keys have nothing secret to compare.
    assert {"hmac.py", "token.py", "fields.py", "jwt.py"} <= constant


@row(8)
@pytest.mark.parametrize("value", ["t=1700000000,v1=é", "\u20ac", "t=1700000000,v1=" + "é" * 64, "ё" * 64])
def test_a_signature_beyond_ascii_is_rejected(attack, value):
    attack(with_header(signed(), "stripe-signature", value), errors.MalformedSignature, 401)


@row(9, 10)
@pytest.mark.parametrize(
    "value", ["v1", "v1,", ",", "v1,a,b", " ", "v1 v1 v1", "v1,====", "v1,Zm9v!", "v1,\u00a0", "zzz", "v1;abc", "=", "v1,a=b=c"]
)
def test_hostile_lists_are_rejected(attack, value):
    genuine = signed("standard-webhooks", id="msg_1")
    attack(with_header(genuine, "webhook-signature", value), errors.MalformedSignature, 401, "standard-webhooks", WHSEC)


@row(11)
@pytest.mark.parametrize(
    "spoil", ["stray bits", "line break", "garbage", "no padding", "padding in the middle", "url alphabet", "space"]
)
def test_other_spellings_of_the_same_base64_are_rejected(attack, spoil):
    for number in range(200):  # until one holds what is to be spoilt
        genuine = signed("shopify", BODY + b" " * number, id="1", type="orders/create")
        text = genuine.headers["x-shopify-hmac-sha256"]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        wrong = {
            "stray bits": text[:-2] + alphabet[alphabet.index(text[-2]) ^ 1] + "=",
            "line break": text[:20] + "\n" + text[20:],
            "garbage": text[:20] + "!" + text[20:],
            "no padding": text.rstrip("="),
            "padding in the middle": text[:20] + "=" + text[20:],
            "url alphabet": text.replace("+", "-").replace("/", "_"),
            "space": text + " x",
        }[spoil]
        if wrong != text:
            break
    if spoil == "stray bits":
        assert base64.b64decode(wrong) == base64.b64decode(text)
    # A text that cannot be a digest is malformed; an odd spelling of a digest is another signature.
    error = (
        errors.SignatureMismatch
        if spoil == "stray bits"
        else errors.MalformedHeader
        if spoil == "line break"
        else errors.MalformedSignature
    )
    attack(
        with_header(genuine, "x-shopify-hmac-sha256", wrong),
        error,
        401 if error is not errors.MalformedHeader else 400,
        "shopify",
    )


@row(12)
@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text[:10] + " " + text[10:],
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: "0x" + text,
    ],
)
def test_other_spellings_of_the_same_hex_are_rejected(attack, change):
    genuine = signed("razorpay", id="1")
    wrong = change(genuine.headers["x-razorpay-signature"])
    attack(with_header(genuine, "x-razorpay-signature", wrong), errors.MalformedSignature, 401, "razorpay")


@row(13)
@pytest.mark.parametrize("count", [17, 200, 10_000])
def test_thousands_of_signatures_in_a_header(attack, count):
    value = f"t={int(NOW)}," + ",".join([f"v1={DIGEST}"] * count)
    attack(with_header(signed(), "stripe-signature", value), errors.MalformedHeader, 400)


@row(14, 15)
@pytest.mark.parametrize("prefix", ["sha1=", "md5=", "none=", "SHA256=", "sha256 =", "sha256:", ""])
def test_a_weaker_algorithm_is_rejected(attack, prefix):
    sha1 = "sha1=" + hmac.digest(SECRET.encode(), BODY, "sha1").hex()
    attack(Delivery(BODY, {"X-Hub-Signature": sha1, "X-GitHub-Delivery": "1"}), errors.MissingSignature, 401, "github")
    right = hmac.digest(SECRET.encode(), BODY, "sha256").hex()
    attack(Delivery(BODY, {"X-Hub-Signature-256": prefix + right}), errors.MalformedSignature, 401, "github")
    attack(Delivery(BODY, {"X-Hub-Signature-256": sha1}), errors.MalformedSignature, 401, "github")


@row(16)
def test_stripes_test_scheme_alone(attack):
    genuine = signed()
    attack(
        with_header(genuine, "stripe-signature", genuine.headers["stripe-signature"].replace("v1=", "v0=")),
        errors.MalformedSignature,
        401,
    )


@row(22)
def test_an_unavailable_key_is_not_a_verdict(attack):
    def lookup(path, headers):
        raise ConnectionError("the vault does not answer")

    receipt = attack(signed(), errors.VerificationUnavailable, 503, secrets=lookup)
    assert dict(receipt.reply.headers)["Retry-After"] == "30"


@row(23)
def test_no_key_ever_comes_with_the_delivery(attack):
    attack(with_header(signed(secret=OTHER), "x-secret", OTHER), errors.SignatureMismatch, 401)


@row(24)
def test_a_replay_within_the_tolerance_runs_nothing(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET, clock=FrozenClock(NOW))), store)
    guard.settle(guard.open(signed()), status=200)
    replay = guard.open(signed())
    assert (replay.reply.status, dict(replay.reply.headers)) == (200, {"Hookguard-Duplicate": "1"})


@row(25, 26)
@pytest.mark.parametrize("times", [-365, -1, 1, 365])
@pytest.mark.parametrize("name", [name for name in PRESETS if presets.get(name).scheme.signs_timestamp])
def test_a_replay_after_it_and_a_date_in_the_future(attack, name, times):
    off = times * int(presets.get(name).tolerance + 1)
    secret = WHSEC if presets.get(name).scheme.secret_format == "whsec" else SECRET
    attack(signed(name, timestamp=NOW + off, id="1"), errors.TimestampOutOfTolerance, 401, name, secret)


TIMESTAMPS = ["１７０００００００００", "٣", " 12 ", "+1700000000", "1_700_000_000", "1700000000.0", "1.7e9", "01700000000", "nan", "inf", "1e400",
              "9" * 5000, "-1700000000", "", "0x6553f100", "1700000000abc"]  # fmt: skip


@row(27, 28)
@pytest.mark.parametrize("text", TIMESTAMPS)
def test_timestamps_that_int_and_float_would_read(attack, text):
    """Signed with the right secret, so that nothing but the timestamp can be the reason."""
    mac = hmac.digest(SECRET.encode(), text.encode() + b"." + BODY, "sha256").hex()
    # Characters that no header has are the header's fault.
    error = errors.MalformedTimestamp if text.isascii() else errors.MalformedSignature
    attack(Delivery(BODY, {"Stripe-Signature": f"t={text},v1={mac}"}), error, 401)


@row(29)
@pytest.mark.parametrize("tolerance", [0, 0.0, None, False, -1, float("nan"), float("inf")])
def test_no_value_switches_the_tolerance_off(tolerance):
    with pytest.raises(ConfigurationError):
        Verifier("stripe", SECRET, tolerance=tolerance)


@row(30)
def test_the_border_between_signed_fields_cannot_be_moved(attack):
    genuine = signed("standard-webhooks", b"9.{}", id="msg_1")
    headers = {**dict(genuine.headers.items()), "webhook-id": f"msg_1.{int(NOW)}", "webhook-timestamp": "9"}
    moved = Delivery(b"{}", headers)
    key = Secret(WHSEC).key("whsec")
    text = "v1," + base64.b64encode(hmac.digest(key, f"msg_1.{int(NOW)}.9.{{}}".encode(), "sha256")).decode()
    assert text == headers["webhook-signature"], "the same bytes are signed: the test tests nothing otherwise"
    attack(moved, errors.MalformedSignature, 401, "standard-webhooks", WHSEC)


@row(31)
@pytest.mark.parametrize("name", PRESETS)
def test_two_signature_headers_are_rejected(attack, name):
    genuine = signed(name, id="1")
    header = carrier(presets.get(name))
    secret = WHSEC if presets.get(name).scheme.secret_format == "whsec" else SECRET
    twice = Delivery(BODY, [*genuine.headers.items(), (header, "evil")])
    attack(twice, errors.AmbiguousHeader, 400, name, secret)
    if name in LISTS:
        return  # below
    # As a WSGI server hands them over: one value, which is another signature.
    for joined in ("evil," + genuine.headers[header], genuine.headers[header] + ",evil"):
        guard = Guard(Endpoint(Verifier(name, secret, clock=FrozenClock(NOW))), Store())
        assert guard.open(with_header(genuine, header, joined)).reply.status == 401


#: Presets whose header is a list by its layout, and a forged line for each.
LISTS = {"stripe": "v1=" + "0" * 64, "convoy-advanced": "v1=" + "0" * 64, "pagerduty": "v1=" + "0" * 64, "recurly": "0" * 64}


@row(31)
@pytest.mark.parametrize("name", LISTS)
def test_two_lines_of_a_list_that_a_wsgi_server_joined_are_one_longer_list(attack, name):
    body = json.dumps({"id": "1", "type": "t", "event": {"id": "1"}}).encode()
    genuine = signed(name, body, id="1")
    header = carrier(presets.get(name))
    forged, value = LISTS[name], genuine.headers[header]
    first = f"{value},{forged}"
    for joined in [first] if name == "recurly" else [first, f"{forged},{value}"]:  # the timestamp comes first there
        guard = Guard(Endpoint(Verifier(name, SECRET, clock=FrozenClock(NOW))), Store())
        receipt = guard.open(with_header(genuine, header, joined))
        assert (receipt.reply, receipt.event.body) == (None, body)
    # No item makes another genuine, or another body.
    attack(with_header(genuine, header, first)._replace(body=body + b" "), errors.SignatureMismatch, 401, name)
    only = value.replace(value[-64:], "1" * 64)
    attack(with_header(genuine, header, f"{only},{forged}"), errors.SignatureMismatch, 401, name)
    if name == "stripe":
        attack(with_header(genuine, header, f"{value},t={int(NOW)},{forged}"), errors.MalformedTimestamp, 401)


@row(32)
@pytest.mark.parametrize("name", PRESETS)
def test_a_header_with_underscores_is_another_header(attack, name):
    genuine = signed(name, id="1")
    secret = WHSEC if presets.get(name).scheme.secret_format == "whsec" else SECRET
    spoofed = Delivery(BODY, {key.replace("-", "_"): value for key, value in genuine.headers.items()})
    attack(spoofed, errors.MissingSignature, 401, name, secret)


@row(33)
@pytest.mark.parametrize("ending", ["\0", "\r\n x", "\n", "\x7f", "\x1b[31m", "\t"])
def test_control_characters_in_the_signature(attack, ending):
    genuine = signed("github", id="1")
    value = genuine.headers["x-hub-signature-256"] + ending
    attack(with_header(genuine, "x-hub-signature-256", value), errors.MalformedHeader, 400, "github")


@row(33)
def test_control_characters_in_an_id(attack):
    attack(signed("razorpay", id="a\0b"), errors.MalformedHeader, 400, "razorpay")


@row(34)
@pytest.mark.parametrize(
    ("headers", "body", "error", "status"),
    [
        ({"Content-Length": "5"}, BODY, errors.TruncatedBody, 400),
        ({"Content-Length": str(len(BODY) + 1)}, BODY, errors.TruncatedBody, 400),
        ({"Content-Length": "39,39"}, BODY, errors.MalformedHeader, 400),
        ({"Content-Length": "0x27"}, BODY, errors.MalformedHeader, 400),
        ({"Transfer-Encoding": "chunked"}, b"", errors.LengthRequired, 411),
    ],
)
def test_lengths_that_lie(attack, headers, body, error, status):
    genuine = signed("github", body, id="1")
    attack(Delivery(body, {**dict(genuine.headers.items()), **headers}), error, status, "github")


@row(34)
def test_two_different_lengths_are_rejected(attack):
    genuine = signed("github", id="1")
    twice = Delivery(BODY, [*genuine.headers.items(), ("Content-Length", "39"), ("content-length", "40")])
    attack(twice, errors.AmbiguousHeader, 400, "github")


@row(35)
def test_a_body_over_the_limit_is_rejected_before_it_is_hashed(attack):
    attack(signed("github", b"x" * 101, id="1"), errors.BodyTooLarge, 413, "github", max_body=100)
    announced = with_header(signed("github", b"", id="1"), "content-length", "9" * 18)
    attack(announced, errors.BodyTooLarge, 413, "github")


@row(37)
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "GZIP"])
def test_a_compressed_body_is_not_inflated(attack, encoding):
    attack(with_header(signed("github", id="1"), "content-encoding", encoding), errors.UnsupportedEncoding, 415, "github")


@row(38)
@pytest.mark.parametrize(
    "body",
    [
        BODY + b"\n",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        json.dumps(json.loads(BODY), indent=1).encode(),
        BODY.replace(b" ", b""),
    ],
)
def test_a_rewritten_body_is_rejected(attack, body):
    attack(signed()._replace(body=body), errors.SignatureMismatch, 401)


@row(38)
@pytest.mark.parametrize("body", [b"\xff\xfe\x00\xd8", b"\xef\xbb\xbf{}", b"\x80"])
def test_undecodable_bytes_verify_as_bytes_and_are_not_json(store, body):
    guard = Guard(Endpoint(Verifier("github", SECRET)), store)
    receipt = guard.open(signed("github", body, id="1"))
    assert receipt.event.body == body
    with pytest.raises(errors.MalformedBody):
        receipt.event.json()


@row(39)
@pytest.mark.parametrize(
    "body",
    [b'{"id": "a", "id": "b"}', b'{"id": "a", "x": NaN}', b'{"id": "a", "x": ' + b"[" * 70 + b"]" * 70 + b"}", b'{"id": "a", "x": ' + b"9" * 1001 + b"}",
     b'{"id": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
)  # fmt: skip
def test_json_that_readers_read_differently(attack, body):
    attack(signed(body=body), errors.MalformedBody, 400)


@row(39)
def test_a_lone_surrogate_in_an_id_is_stored_safely(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET, clock=FrozenClock(NOW))), store)
    assert guard.open(signed(body=b'{"id": "\\ud800"}')).event.id.startswith("sha256:")


@row(40)
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"])
def test_a_header_does_not_change_where_a_delivery_comes_from(attack, header):
    claimed = with_header(signed("github", id="1"), header, "192.0.2.1")._replace(remote="198.51.100.1")
    attack(claimed, errors.AddressNotAllowed, 403, "github", allow_from=["192.0.2.0/24"])


@row(40)
@pytest.mark.parametrize("header", ["X-Forwarded-Proto", "X-Forwarded-Ssl", "Front-End-Https", "X-Url-Scheme", "Forwarded"])
def test_a_header_does_not_change_whether_a_delivery_came_over_https(attack, header):
    claimed = with_header(signed("github", id="1"), header, "https")._replace(secure=False)
    attack(claimed, errors.InsecureTransport, 403, "github", require_https=True)


@row(41)
@pytest.mark.parametrize("header", ["X-Debug", "X-Skip-Verification", "Stripe-Test", "X-Hookguard-Skip", "Authorization"])
def test_no_header_switches_verification_off(attack, header):
    attack(with_header(signed(secret=OTHER), header, "1"), errors.SignatureMismatch, 401)


@row(41)
def test_no_argument_switches_verification_off():
    for wrong in ({"verify": False}, {"debug": True}, {"skip_verification": True}):
        with pytest.raises(TypeError):
            Verifier("stripe", SECRET, **wrong)


@row(43)
def test_a_captured_body_under_a_fresh_id_is_the_same_event_where_content_is_the_identity(store):
    strict = Guard(Endpoint(Verifier("razorpay", SECRET), identity="content"), store)
    strict.settle(strict.open(signed("razorpay", id="1")), status=200)
    assert strict.open(signed("razorpay", id="2")).reply.status == 200


@row(43)
@pytest.mark.parametrize("name", ["razorpay", "shopify", "hookdeck", "convoy", "github"])
def test_a_captured_body_cannot_burn_the_id_of_another_event(store, name):
    """An attacker sends an old body under the id that the next honest event will have."""
    guard = Guard(Endpoint(Verifier(name, SECRET)), store)
    guard.settle(guard.open(signed(name, b'{"old": 1}', id="next", type="t")), status=200)
    honest = guard.open(signed(name, b'{"new": 1}', id="next", type="t"))
    assert honest.reply is None, "the honest event was lost"


@row(44)
def test_an_event_of_one_tenant_is_not_anothers(attack, store):
    def lookup(path, headers):
        return {"/a": Tenant("a", [SECRET]), "/b": Tenant("b", [OTHER])}[path]

    attack(signed()._replace(url="/b"), errors.SignatureMismatch, 401, secrets=lookup)
    guard = Guard(Endpoint(Verifier("stripe", lookup, clock=FrozenClock(NOW))), store)
    guard.settle(guard.open(signed()._replace(url="/a")), status=200)
    assert guard.open(signed(secret=OTHER)._replace(url="/b")).reply is None


@row(44)
def test_the_same_id_at_two_endpoints_and_two_providers_is_two_events(store):
    for name, preset in (("shop", "stripe"), ("club", "stripe"), ("shop", "paddle")):
        body = b'{"id": "1", "event_id": "1"}'
        guard = Guard(Endpoint(Verifier(preset, SECRET, clock=FrozenClock(NOW)), name=name), store)
        receipt = guard.open(signed(preset, body))
        assert receipt.reply is None
        guard.settle(receipt, status=200)


@row(45)
def test_a_storm_of_retries_waits_for_nobody(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET, clock=FrozenClock(NOW))), store)
    guard.open(signed())
    assert {guard.open(signed()).reply.status for _ in range(100)} == {503}


@row(42, 46)
def test_forgeries_cost_no_room(store):
    guard = Guard(Endpoint(Verifier("stripe", SECRET, clock=FrozenClock(NOW))), store)
    for number in range(1000):
        assert guard.open(signed(body=b'{"id": "%d"}' % number, secret=OTHER)).reply.status == 401
    assert (store.claims, len(store)) == (0, 0)


@row(47)
@pytest.mark.parametrize("name", PRESETS)
def test_no_secret_or_signature_in_any_error_or_repr(name):
    secret = WHSEC if presets.get(name).scheme.secret_format == "whsec" else SECRET
    genuine = signed(name, b"another body", id="1")
    verifier = Verifier(name, Secret(secret))
    header = carrier(presets.get(name))
    told = [repr(verifier), repr(genuine), repr(verifier._keys), repr(presets.get(name))]
    for value in (genuine.headers[header][:-1] + "0", "x", genuine.headers[header] + ",é"):
        with pytest.raises(errors.Rejected) as raised:
            verifier.verify(with_header(genuine._replace(body=BODY), header, value))
        told.append(repr(raised.value))
        assert raised.value.__cause__ is None
    for hidden in (secret, secret.removeprefix("whsec_"), genuine.headers[header], genuine.headers[header][-20:]):
        assert not any(hidden in text for text in told)


@row(48)
def test_secrets_that_hmac_takes_for_equal_are_rejected():
    for padded in (SECRET + "\0", SECRET.encode() + b"\0\0"):
        with pytest.raises(ConfigurationError, match="NUL"):
            Verifier("stripe", padded)


@row(49)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "post", "", "POST\r\n"])
def test_other_methods_are_rejected(attack, method):
    receipt = attack(signed()._replace(method=method), errors.MethodNotAllowed, 405)
    assert dict(receipt.reply.headers)["Allow"] == "POST"
    override = with_header(signed()._replace(method="GET"), "x-http-method-override", "POST")
    attack(override, errors.MethodNotAllowed, 405)


#: Rows whose tests are beside the code that they attack.
ELSEWHERE = {
    17: (
        "core/test_jwt.py::test_the_header_chooses_no_algorithm",
        "core/test_jwt.py::test_a_public_key_is_never_a_shared_secret",
    ),
    18: (
        "core/test_public_key.py::test_every_flipped_bit_of_a_signature_is_rejected",
        "vectors/test_wycheproof.py::test_public_keys_match_wycheproof",
    ),
    19: (
        "presets/test_aws_sns_scheme.py::test_a_certificate_elsewhere_is_not_asked_for",
        "core/test_keys.py::test_addresses_that_are_not_allowed_are_rejected",
        "core/test_keys.py::test_no_redirect_is_followed",
    ),
    20: (
        "core/test_confirmation.py::test_by_default_it_is_answered_and_nothing_is_fetched",
        "core/test_confirmation.py::test_any_other_address_is_rejected_unfetched",
        "presets/test_aws_sns_scheme.py::test_an_address_to_confirm_at_that_is_not_snss",
    ),
    21: (
        "presets/test_paypal_scheme.py::test_no_other_address_is_asked_or_believed",
        "presets/test_paypal_scheme.py::test_hostile_headers_are_rejected",
    ),
    36: (
        "plugins/flask/test_flask_bodies.py::test_an_endless_body_is_read_to_the_limit_and_no_further",
        "plugins/starlette/test_asgi_bodies.py::test_an_endless_body_is_read_to_the_limit_and_one_chunk_more",
        "plugins/django/test_django_transport.py::test_a_huge_announced_body_is_rejected_unread",
    ),
}

#: The row that no code can answer: the page, and a phrase of it.
DOCUMENTED = {50: ("docs/security.md", "Authentic is not authorised")}


def test_every_row_has_a_test_or_a_page():
    assert sorted([*ROWS, *ELSEWHERE, *DOCUMENTED]) == list(range(1, 51))


@pytest.mark.parametrize(("number", "name"), [(number, name) for number, names in ELSEWHERE.items() for name in names])
def test_the_test_that_stands_for_a_row_is_there(number, name):
    path, _, function = name.partition("::")
    assert function in functions(TESTS / path)


@pytest.mark.parametrize(("page", "phrase"), DOCUMENTED.values())
def test_the_page_that_stands_for_a_row_says_it(page, phrase):
    assert phrase in (TESTS.parent / page).read_text()
