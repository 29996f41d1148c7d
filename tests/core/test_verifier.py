import math
import warnings
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from hookguard import ConfigurationError, Delivery, Event, Secret, Tenant, Verifier, presets
from hookguard.errors import (
    MissingSignature,
    SignatureMismatch,
    TimestampOutOfTolerance,
    TimestampRejected,
    UnconfirmedPresetWarning,
)
from hookguard.testing import FrozenClock

SECRET = "a-secret-that-is-long-enough"
OTHER = "another-secret-of-some-length"
BODY = b'{"id": "evt_1", "type": "invoice.paid"}'
NOW = 1_700_000_000.0


@pytest.fixture
def clock():
    return FrozenClock(NOW)


def stripe(timestamp=NOW, secret=SECRET, body=BODY):
    return presets.STRIPE.sign(body, secret, timestamp=timestamp)


@pytest.mark.parametrize("off", [0, 1, -1, 299, -299, 300, -300])
def test_within_the_tolerance_it_is_fresh_both_ways(clock, off):
    event = Verifier("stripe", SECRET, clock=clock).verify(stripe(NOW + off))
    assert isinstance(event, Event)
    assert event.timestamp == NOW + off


@pytest.mark.parametrize("off", [301, -301, 365 * 86400, -365 * 86400])
def test_a_timestamp_outside_the_tolerance_is_stale(clock, off):
    with pytest.raises(TimestampOutOfTolerance, match="future" if off > 0 else "old") as raised:
        Verifier("stripe", SECRET, clock=clock).verify(stripe(NOW + off))
    assert raised.value.status == 401


def test_a_stale_forgery_is_called_a_forgery(clock):
    with pytest.raises(SignatureMismatch):
        Verifier("stripe", SECRET, clock=clock).verify(stripe(NOW - 999, secret=OTHER))


@pytest.mark.parametrize("tolerance", [0, -1, math.nan, math.inf, True, "300", 367 * 86400])
def test_a_tolerance_is_seconds(tolerance):
    with pytest.raises(ConfigurationError, match="tolerance"):
        Verifier("stripe", SECRET, tolerance=tolerance)


def test_the_tolerance_is_switched_off_by_two_words_only(clock):
    with pytest.raises(ConfigurationError, match="allow_stale=True as well"):
        Verifier("stripe", SECRET, tolerance=None)
    for options in ({"tolerance": None, "allow_stale": True}, {"allow_stale": True}):
        verifier = Verifier("stripe", SECRET, clock=clock, **options)
        assert verifier.verify(stripe(NOW - 10 * 86400)).timestamp == NOW - 10 * 86400
        # The timestamp's form is still checked, since it is part of what was signed.
        with pytest.raises(TimestampRejected):
            verifier.verify(Delivery(BODY, {"Stripe-Signature": "t=nan,v1=" + "ab" * 32}))
    with pytest.raises(ConfigurationError, match="leave one of the two out"):
        Verifier("stripe", SECRET, tolerance=60, allow_stale=True)


def test_a_tolerance_for_a_provider_without_timestamps_would_check_nothing():
    with pytest.raises(ConfigurationError, match="signs no timestamp"):
        Verifier("github", SECRET, tolerance=60)
    assert Verifier("github", SECRET).tolerance is None


def test_a_tolerance_of_ones_own(clock):
    verifier = Verifier("stripe", SECRET, tolerance=10, clock=clock)
    verifier.verify(stripe(NOW - 10))
    with pytest.raises(TimestampOutOfTolerance):
        verifier.verify(stripe(NOW - 11))


def test_the_preset_by_name_or_itself():
    assert Verifier("stripe", SECRET).preset is Verifier(presets.STRIPE, SECRET).preset
    with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
        Verifier("strpie", SECRET)


@pytest.mark.parametrize("secrets", [[], None, "", ["", SECRET], [None], 7, [SECRET, SECRET[:4]]])
def test_nothing_empty_is_accepted_as_secrets(secrets):
    with pytest.raises((ConfigurationError, TypeError)):
        Verifier("stripe", secrets)


def test_secrets_have_dates(clock):
    at = datetime.fromtimestamp(NOW, timezone.utc)
    verifier = Verifier(
        "stripe", [Secret(SECRET, name="new", not_before=at), Secret(OTHER, name="old", not_after=at)], clock=clock
    )
    assert verifier.verify(stripe(secret=SECRET)).secret == "new"
    with pytest.raises(SignatureMismatch):
        verifier.verify(stripe(secret=OTHER))
    clock.advance(-1)
    assert verifier.verify(stripe(secret=OTHER)).secret == "old"
    with pytest.raises(SignatureMismatch):
        verifier.verify(stripe(secret=SECRET))


def test_when_every_secret_is_outside_its_dates_nothing_passes(clock):
    verifier = Verifier("stripe", Secret(SECRET, not_after=NOW - 1), clock=clock)
    with pytest.raises(SignatureMismatch, match="is valid now, by their dates"):
        verifier.verify(stripe())


def test_a_lookup_needs_a_guard():
    verifier = Verifier("stripe", lambda path, headers: None)
    with pytest.raises(ConfigurationError, match="pass deliveries to a guard"):
        verifier.verify(stripe())


def test_a_tenants_verifier(clock):
    base = Verifier("stripe", lambda path, headers: None, clock=clock, tolerance=10)
    verifier = base.for_tenant(Tenant("acme", [SECRET]))
    event = verifier.verify(stripe())
    assert event.tenant == "acme"
    assert verifier.tolerance == 10
    with pytest.raises(ConfigurationError):
        base.for_tenant(Tenant("acme", [""]))


@pytest.mark.parametrize(("name", "secrets"), [("", [SECRET]), ("acme", SECRET), ("acme", SECRET.encode())])
def test_a_tenant_has_a_name_and_a_list(name, secrets):
    with pytest.raises(ConfigurationError):
        Tenant(name, secrets)


def test_reprs_hide_the_secret():
    assert SECRET not in repr(Verifier("stripe", SECRET))
    assert SECRET not in repr(Tenant("acme", [SECRET]))


def test_nothing_but_bytes_in_and_verdict_out():
    with pytest.raises(MissingSignature):
        Verifier("stripe", SECRET).verify(Delivery(b"", {}))


def test_a_preset_that_no_source_confirms_warns_when_it_is_used():
    doubtful = replace(presets.GITHUB, name="doubtful", doubt="nobody says in which encoding the signature comes")
    assert presets.GITHUB.confirmed
    assert not doubtful.confirmed
    with pytest.warns(UnconfirmedPresetWarning, match="'doubtful' is not confirmed by its provider: nobody says") as seen:
        Verifier(doubtful, ["a-secret-of-thirty-two-characters"])
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Verifier(presets.GITHUB, ["a-secret-of-thirty-two-characters"])
