"""Each preset names the extras it needs: a missing one is found when an endpoint is made, and reported with the extra's name."""

import sys

import pytest

pytest.importorskip("cryptography", reason="keys are made with the extra crypto")
pytest.importorskip("jwt", reason="tokens need the extra jwt")

from example_secrets import public_side

from hookguard import ConfigurationError, Endpoint, Guard, MemoryStore, Verifier, presets
from hookguard.cli.providers_page import page

#: Modules that are missing without an extra.
PACKAGES = {"crypto": "cryptography", "jwt": "jwt", "fetch": "httpx"}


def told(preset, package, monkeypatch):
    """The error of an endpoint without the package."""
    secret = public_side(preset)
    where = {"public_url": "https://shop.example/hooks"} if "url" in preset.scheme.covers else {}
    with monkeypatch.context() as missing:
        for name in [*sys.modules]:
            if name.partition(".")[0] == package:
                missing.setitem(sys.modules, name, None)
        missing.setitem(sys.modules, package, None)
        try:
            Guard(Endpoint(Verifier(preset, secret), **where), MemoryStore())
        except ConfigurationError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("name", presets.names())
def test_a_missing_extra_is_reported_when_the_endpoint_is_made(name, monkeypatch):
    preset = presets.get(name)
    for extra, package in PACKAGES.items():
        message = told(preset, package, monkeypatch)
        assert (f"hookguard-webhooks[{extra}]" in message) == (extra in preset.extras), message
    # Where a token's keys are public ones, its own extra brings what checks them.
    message = told(preset, "cryptography", monkeypatch)
    assert not message or any(f"hookguard-webhooks[{extra}]" in message for extra in preset.extras), message


def test_the_page_names_them_and_what_tests_sign_with():
    text = page([presets.SENDGRID, presets.GOOGLE_PUBSUB, presets.APP_STORE, presets.GITHUB])
    sendgrid, pubsub, app_store, github = text.split("\n## ")[1:]
    assert "Needs the extra `crypto`." in sendgrid
    assert "[Tests sign](testing.md#public-keys) with a private key in place of the public one." in sendgrid
    assert "Needs the extras `fetch` and `jwt`." in pubsub
    assert "with `private_key`, `key_id` in the secret." in pubsub
    assert "Needs the extra `jwt`." in app_store
    assert "Needs" not in github
    assert "Tests sign" not in github
