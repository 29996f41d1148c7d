"""The secret that matched last is tried first. Apart from the time that it takes, nothing else may change."""

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookguard import Delivery, HmacScheme, InHeader, Preset, Secret, SignatureHeader, Tenant, Verifier, presets
from hookguard.errors import Rejected, SignatureMismatch, TimestampOutOfTolerance
from hookguard.schemes.hmac import HmacKey
from hookguard.testing import FrozenClock

NEW, OLD, OLDER = (f"the-{age}-secret-of-an-endpoint" for age in ("new", "old", "older"))
NOW = 1_700_000_000.0
BODY = b'{"id": "evt_1", "type": "push"}'
#: Secrets that every provider of these tests accepts.
WHSEC = ["whsec_" + base64.b64encode(bytes(range(start, start + 32))).decode() for start in range(1, 6)]


class CountingKey(HmacKey):
    """A real key that counts how often it hashes a body."""

    __slots__ = ("count",)

    def __init__(self, key, digest):
        super().__init__(key, digest)
        self.count = 0

    def digest(self, *parts):
        self.count += 1
        return super().digest(*parts)


class CountingScheme(HmacScheme):
    __slots__ = ()

    def prepare(self, secret):
        return CountingKey(secret.key(), self.digest)


def counted(verifier):
    return [key.prepared.count for key in verifier._keys]


@pytest.fixture
def clock():
    return FrozenClock(NOW)


@pytest.fixture
def preset():
    return Preset(
        name="counting",
        scheme=CountingScheme(signature=SignatureHeader("X-Signature", "{hex}")),
        event_id=InHeader("X-Id"),
        identity="id+content",
    )


def test_secret_that_matched_last_is_tried_first(preset):
    verifier = Verifier(preset, [NEW, OLD, OLDER])
    by_new, by_old, by_older = (preset.sign(BODY, secret) for secret in (NEW, OLD, OLDER))
    assert verifier.verify(by_old).secret == "#2"
    assert counted(verifier) == [1, 1, 0]
    assert [verifier.verify(by_old).secret for _ in range(5)] == ["#2"] * 5
    assert counted(verifier) == [1, 6, 0]
    # The others stay newest first.
    assert verifier.verify(by_older).secret == "#3"
    assert counted(verifier) == [2, 7, 1]
    assert verifier.verify(by_new).secret == "#1"
    assert counted(verifier) == [3, 7, 2]
    assert verifier.verify(by_new).secret == "#1"
    assert counted(verifier) == [4, 7, 2]


def test_secret_with_dates_is_tried_first_as_well(preset, clock):
    secrets = [Secret(NEW, name="new"), Secret(OLD, name="old", not_after=NOW + 60)]
    verifier = Verifier(preset, secrets, clock=clock)
    for _ in range(3):
        assert verifier.verify(preset.sign(BODY, OLD)).secret == "old"
    assert counted(verifier) == [1, 3]


def test_last_match_makes_no_secret_valid_longer(preset, clock):
    secrets = [Secret(NEW, name="new", not_before=NOW - 60), Secret(OLD, name="old", not_after=NOW + 60)]
    verifier = Verifier(preset, secrets, clock=clock)
    by_new, by_old = (preset.sign(BODY, secret) for secret in (NEW, OLD))
    assert verifier.verify(by_old).secret == "old"
    clock.advance(60)
    with pytest.raises(SignatureMismatch):
        verifier.verify(by_old)
    assert verifier.verify(by_new).secret == "new"
    clock.advance(-90)
    assert verifier.verify(by_new).secret == "new"
    clock.advance(-60)  # before the new one is valid, though it matched last
    with pytest.raises(SignatureMismatch):
        verifier.verify(by_new)
    assert verifier.verify(by_old).secret == "old"


def test_when_every_secret_has_expired_the_last_match_is_rejected_too(preset, clock):
    verifier = Verifier(preset, [Secret(each, not_after=NOW + 60) for each in (NEW, OLD)], clock=clock)
    verifier.verify(preset.sign(BODY, OLD))
    clock.advance(61)
    with pytest.raises(SignatureMismatch, match="is valid now, by their dates"):
        verifier.verify(preset.sign(BODY, OLD))


@pytest.mark.parametrize("provider", ["stripe", "standard-webhooks", "polar"])
def test_delivery_with_both_signatures_names_the_newest_secret(provider, clock):
    """Otherwise the log would say that the old secret is still in use, long after the provider has changed to the new one."""
    preset = presets.get(provider)
    new, old = WHSEC[:2]
    verifier = Verifier(preset, [Secret(new, name="new"), Secret(old, name="old")], clock=clock)
    by_old = preset.sign(BODY, old, timestamp=NOW)
    by_both = preset.sign(BODY, [old, new], timestamp=NOW)
    assert verifier.verify(by_old).secret == "old"
    assert verifier.verify(by_both).secret == "new"
    assert verifier.verify(by_old).secret == "old"


def test_forged_or_stale_delivery_changes_no_order(clock):
    scheme = CountingScheme(
        signature=SignatureHeader("X-Signature", "{timestamp},{hex}", separator=","), signed="{timestamp}.{body}"
    )
    preset = Preset(name="counting", scheme=scheme, event_id=None, identity="content")
    verifier = Verifier(preset, [NEW, OLD], clock=clock)
    with pytest.raises(TimestampOutOfTolerance):
        verifier.verify(preset.sign(BODY, OLD, timestamp=NOW - 86400 * 9))
    with pytest.raises(SignatureMismatch):
        verifier.verify(preset.sign(BODY, OLDER, timestamp=NOW))
    before = counted(verifier)
    verifier.verify(preset.sign(BODY, NEW, timestamp=NOW))
    assert counted(verifier) == [before[0] + 1, before[1]]


def test_tenants_learn_nothing_from_each_other(preset):
    shared = Verifier(preset, lambda path, headers: None)
    ann = shared.for_tenant(Tenant("ann", [NEW, OLD]))
    assert ann.verify(preset.sign(BODY, OLD)).secret == "#2"
    ben = shared.for_tenant(Tenant("ben", [OLDER, NEW]))
    with pytest.raises(SignatureMismatch):
        ben.verify(preset.sign(BODY, OLD))
    assert ben.verify(preset.sign(BODY, OLDER)).secret == "#1"
    assert counted(ben) == [2, 1]


def test_envelope_is_opened_with_the_same_secret_as_before():
    """While only the envelope's key is rotated, several secrets match the signature, and one of them opens the envelope."""
    field = {"encrypt_key": "the-encrypt-key-of-the-app", "verification_token": "a-verification-token"}
    preset = presets.get("lark")
    secrets = [Secret.of(name="new", **field), Secret.of(name="old", **{**field, "encrypt_key": "another-encrypt-key-of-it"})]
    verifier = Verifier(preset, secrets)
    body = b'{"schema": "2.0", "header": {"event_id": "e-1", "event_type": "t"}}'
    for _ in range(2):
        for secret in (secrets[1], secrets[1], secrets[0]):
            event = verifier.verify(preset.sign(body, secret))
            assert (event.secret, event.id) == (secret.name, "e-1")


def test_threads_verify_with_every_secret_at_the_same_time(preset):
    secrets = {f"s{number}": f"the-secret-number-{number}-of-many" for number in range(5)}
    verifier = Verifier(preset, [Secret(value, name=name) for name, value in secrets.items()])
    signed = {name: preset.sign(BODY, value) for name, value in secrets.items()}
    forged = preset.sign(BODY, OLDER)
    wrong: list[str] = []
    start = threading.Barrier(8)

    def run(offset):
        names = list(secrets)
        start.wait()
        for count in range(600):
            name = names[(count * (offset + 1) + offset) % len(names)]
            if verifier.verify(signed[name]).secret != name:
                wrong.append(name)
            try:
                verifier.verify(forged)
            except SignatureMismatch as error:
                if error.secrets != len(secrets):
                    wrong.append(f"{error.secrets} tried")
            else:
                wrong.append("forged")

    threads = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    configured = verifier.keys()
    assert [key.name for key in configured] == list(secrets)


DATES = st.one_of(st.none(), st.none(), st.none(), st.integers(-200, 200).map(lambda off: NOW + off))


@pytest.mark.parametrize("provider", ["github", "stripe", "standard-webhooks", "polar", "slack", "mollie"])
@given(
    dates=st.lists(st.tuples(DATES, DATES), min_size=2, max_size=4),
    steps=st.lists(
        st.tuples(st.sets(st.integers(0, 4), min_size=1, max_size=3), st.integers(-250, 250)), min_size=2, max_size=12
    ),
)
def test_verifier_that_remembers_answers_as_one_that_does_not(provider, dates, steps):
    """``steps`` are deliveries, each signed with some of the secrets at its own time. The last of the secrets is a stranger's."""
    clock, preset = FrozenClock(NOW), presets.get(provider)
    secrets = []
    for number, (start, end) in enumerate(dates):
        begins = None if start is not None and end is not None and start >= end else start
        secrets.append(Secret(WHSEC[number], name=f"s{number}", not_before=begins, not_after=end))
    remembers = Verifier(preset, secrets, clock=clock)
    for signers, off in steps:
        clock.now = NOW + off
        several = preset.scheme.signature[0].layout.separator is not None
        signing = [WHSEC[signer] for signer in sorted(signers)][: None if several else 1]
        signed = preset.sign(BODY, signing, timestamp=NOW, id="msg_1")
        assert found(remembers, signed) == found(Verifier(preset, secrets, clock=clock), signed)


def found(verifier: Verifier, delivery: Delivery) -> object:
    try:
        return verifier.verify(delivery).secret
    except Rejected as error:
        return type(error), str(error)


def test_scheme_of_a_third_party_gets_its_keys_in_their_order(clock):
    """A scheme that does not say that any order is fine is never asked in another one."""
    seen = []

    class Strange(CountingScheme):
        tries_last_match_first = False

        def verify(self, delivery, keys):
            seen.append([key.name for key in keys])
            return super().verify(delivery, keys)

    preset = Preset(
        name="strange",
        scheme=Strange(signature=SignatureHeader("X-Signature", "{hex}")),
        event_id=InHeader("X-Id"),
        identity="id+content",
    )
    verifier = Verifier(preset, [NEW, OLD])
    for _ in range(3):
        verifier.verify(preset.sign(BODY, OLD))
    assert seen == [["#1", "#2"]] * 3


def test_public_keys_are_tried_in_that_order_too():
    crypto = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization

    private = [crypto.Ed25519PrivateKey.generate() for _ in range(2)]
    pems = [
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        for key in private
    ]
    preset = presets.get("discord")
    verifier = Verifier(preset, [Secret(pem, name=name) for pem, name in zip(pems, ("new", "old"), strict=True)])
    order = []
    for key in verifier._keys:
        check = key.prepared._check
        key.prepared._check = lambda *args, check=check, name=key.name: (order.append(name), check(*args))[1]
    for _ in range(2):
        assert verifier.verify(preset.sign(BODY, pems[1])).secret == "old"
    assert order == ["new", "old", "old"]
