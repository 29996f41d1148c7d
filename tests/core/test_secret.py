import base64
import pickle
import warnings
from datetime import datetime, timedelta, timezone

import pytest

from hookguard import ConfigurationError, Secret
from hookguard.errors import WeakSecretWarning

GOOD = "a-secret-that-is-long-enough"


@pytest.mark.parametrize("value", [None, "", " ", "\t\n", b"", b"  ", 7, ["a"], True])
def test_nothing_empty_or_of_another_kind_is_a_secret(value):
    with pytest.raises(ConfigurationError):
        Secret(value)


@pytest.mark.parametrize("value", [" " + GOOD, GOOD + "\n", b"\t" + GOOD.encode()])
def test_white_space_at_the_ends_is_a_slip_of_copying(value):
    with pytest.raises(ConfigurationError, match="white space"):
        Secret(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [("short", "guessed"), ("1234567", "guessed"), ("x" * 32, "repeated"), ("*" * 20, "repeated"), (GOOD + "\0", "NUL")],
)
def test_weak_secrets_are_rejected(value, why):
    with pytest.raises(ConfigurationError, match=why):
        Secret(value).key()
    with pytest.raises(ConfigurationError, match=why):
        Secret(value.encode())


def test_between_8_and_15_bytes_it_warns():
    with pytest.warns(WeakSecretWarning, match="12 bytes"):
        assert Secret("twelve-bytes").key() == b"twelve-bytes"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Secret("sixteen-bytes-ok").key()


@pytest.mark.parametrize("fmt", ["hex", "base64", "whsec"])
def test_every_format_gives_the_same_key(fmt):
    key = bytes(range(1, 33))
    text = {"hex": key.hex(), "base64": base64.b64encode(key).decode(), "whsec": "whsec_" + base64.b64encode(key).decode()}[fmt]
    assert Secret(text).key(fmt) == key
    assert Secret(key).key(fmt) == key


def test_whsec_may_come_without_its_prefix_and_without_padding():
    key = bytes(range(1, 26))
    assert Secret(base64.b64encode(key).decode().rstrip("=")).key("whsec") == key


@pytest.mark.parametrize(
    ("text", "fmt", "why"),
    [
        ("whsec_", "whsec", "empty after whsec_"),
        ("whsk_" + "A" * 43, "whsec", "asymmetric"),
        ("whpk_" + "A" * 43, "whsec", "asymmetric"),
        ("whsec_!!!!!!!!", "whsec", "not base64"),
        ("whsec_deadbeef-deadbeef", "whsec", "not base64"),
        ("whsec_QUJD", "whsec", "decodes to 3 bytes"),
        ("whsec_" + "QUJDREVGR0hJSktMTU5PUFE"[:-1] + "R", "whsec", "cut base64"),
        ("A" * 21, "base64", "cut base64"),
        ("zz" * 16, "hex", "not hex"),
        ("abc", "hex", "not hex"),
        ("ab" * 8, "hex", "decodes to 8 bytes"),
    ],
)
def test_encoded_secrets_are_read_strictly(text, fmt, why):
    with pytest.raises(ConfigurationError, match=why):
        Secret(text).key(fmt)


def test_exact_takes_any_bytes_but_weak_ones():
    assert Secret.exact(b" padded on purpose ").key("whsec") == b" padded on purpose "
    with pytest.raises(ConfigurationError, match="empty"):
        Secret.exact(b"")
    with pytest.raises(ConfigurationError, match="NUL"):
        Secret.exact(b"0123456789abcdef\0")


def test_from_hex_and_from_base64():
    key = bytes(range(200, 232))
    assert Secret.from_hex(key.hex(), name="old").key() == key
    assert Secret.from_base64(base64.b64encode(key).decode(), name="new").key() == key
    assert Secret.from_base64(base64.b64encode(key).decode(), name="new").name == "new"
    with pytest.raises(ConfigurationError):
        Secret.from_hex("not hex")


def test_random_bytes_may_end_with_the_code_of_a_space():
    key = bytes(range(1, 33))
    assert Secret(key).key() == key


def test_a_secret_is_valid_between_its_dates():
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    secret = Secret(GOOD, not_before=noon, not_after=noon + timedelta(hours=1))
    start = noon.timestamp()
    assert [secret.valid_at(start + offset) for offset in (-1, 0, 3599, 3600)] == [False, True, True, False]
    assert Secret(GOOD).valid_at(0)
    assert Secret(GOOD, not_after=start).valid_at(start - 1)
    assert not Secret(GOOD, not_before=start).valid_at(start - 1)


def test_dates_need_a_time_zone_and_an_order():
    with pytest.raises(ConfigurationError, match="time zone"):
        Secret(GOOD, not_before=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    with pytest.raises(ConfigurationError, match="earlier"):
        Secret(GOOD, not_before=2.0, not_after=2.0)


def test_a_secret_stays_out_of_reprs_and_pickles():
    secret = Secret(GOOD, name="2026")
    assert GOOD not in repr(secret)
    assert "2026" in repr(secret)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)


def test_several_values_that_belong_together_have_names():
    secret = Secret.of(token="tok", aes_key=b"\x01\x02", corp_id="ww1", name="2026")
    assert (secret.field("token"), secret.key(field="token-long") if secret.has("token-long") else None) == ("tok", None)
    assert secret.has("corp_id")
    assert not secret.has("corp")
    assert secret.name == "2026"
    assert repr(secret) == "Secret(name='2026', token, aes_key, corp_id)"
    with pytest.raises(ConfigurationError, match="'corp' was not given"):
        secret.field("corp")
    keys = Secret.of(public_keys={"A1": "text"})
    assert dict(keys.mapping("public_keys")) == {"A1": "text"}
    for wrong in (lambda: keys.field("public_keys"), lambda: keys.key(field="public_keys"), lambda: secret.mapping("token")):
        with pytest.raises(ConfigurationError, match="mapping"):
            wrong()
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        Secret.of(token=b"\xff").field("token")


def test_the_fields_of_a_secret_fit_or_are_named():
    both = Secret.of(app_secret="a-secret-of-thirty-two-characters", verify_token="chosen")
    assert both.fit(["app_secret"], ["verify_token"]) is both
    alone = Secret("a-secret-of-thirty-two-characters").fit(["app_secret"], ["verify_token"])
    assert alone.key(field="app_secret") == b"a-secret-of-thirty-two-characters"
    assert alone.field("app_secret") == "a-secret-of-thirty-two-characters"
    text = Secret('{"app_secret": "a-secret-of-thirty-two-characters", "verify_token": "chosen"}', name="x")
    assert text.fit(["app_secret"], ["verify_token"]).field("verify_token") == "chosen"
    assert text.fit(["app_secret"], ["verify_token"]).name == "x"
    assert text.fit(["secret"]).key() == text.key(), "a secret of one value may look like anything"
    cases = [
        (both, ["app_secret"], [], "no field 'verify_token': this provider needs app_secret"),
        (both, ["app_secret"], ["key"], "and takes key"),
        (both, ["token", "app_secret", "key"], ["verify_token"], "token and key is missing .* needs token, app_secret and key"),
        (
            Secret("a-secret-of-thirty-two-characters"),
            ["token", "key"],
            [],
            'Secret.of\\(token="…", key="…"\\), or as text a JSON',
        ),
        (Secret("{not json at all, but long enough"), ["token", "key"], [], "not the JSON object"),
        (Secret('{"token": "", "key": "x"}'), ["token", "key"], [], "'token' is empty"),
        (Secret('{"token": 5, "key": "x"}'), ["token", "key"], [], "'token' must be text or bytes, not int"),
        (Secret('{"token": " x", "key": "x"}'), ["token", "key"], [], "'token' starts or ends"),
        (Secret('{"token": {"a": 1}, "key": "x"}'), ["token", "key"], [], "'token' must map"),
    ]
    for secret, required, optional, why in cases:
        with pytest.raises(ConfigurationError, match=why):
            secret.fit(required, optional)
    with pytest.raises(ConfigurationError, match="has no values"):
        Secret.of()


def test_a_pem_file_ends_with_a_line_break():
    pem = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"
    assert Secret(pem).key() == pem.strip().encode()
    assert Secret.of(public_key=pem).field("public_key") == pem.strip()


def test_a_fields_strength_is_checked_where_it_is_a_key():
    secret = Secret.of(corp_id="ww1", token="short")
    assert secret.field("corp_id") == "ww1"
    with pytest.raises(ConfigurationError, match="could be guessed"):
        secret.key(field="token")
    assert Secret.of(key="00" * 16).key("hex", field="key") == bytes(16)
