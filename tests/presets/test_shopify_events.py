import pytest

from hookguard import Verifier, presets
from hookguard.errors import MissingSignature, SignatureMismatch

SECRET = "a-secret-that-is-long-enough"
BODY = b'{"topic": "Product", "action": "create", "handle": "products"}'


def event(body=BODY, **more):
    signature = presets.SHOPIFY.sign(body, SECRET).headers["x-shopify-hmac-sha256"]
    return presets.SHOPIFY.sign(body, SECRET)._replace(
        headers={"Shopify-Hmac-Sha256": signature, "Shopify-Webhook-Id": "7", **more}
    )


def test_an_event_with_the_newer_header_is_verified():
    verified = Verifier("shopify", SECRET).verify(event())
    assert (verified.id, verified.type) == ("7", "Product/create")


def test_a_webhook_with_the_older_header_is_verified():
    delivery = presets.SHOPIFY.sign(b"{}", SECRET, headers={"X-Shopify-Webhook-Id": "8", "X-Shopify-Topic": "orders/create"})
    verified = Verifier("shopify", SECRET).verify(delivery)
    assert (verified.id, verified.type) == ("8/orders/create", "orders/create")


def test_a_forged_event_is_rejected():
    with pytest.raises(SignatureMismatch):
        Verifier("shopify", SECRET).verify(event()._replace(body=b"{}"))
    with pytest.raises(MissingSignature):
        Verifier("shopify", SECRET).verify(event()._replace(headers={}))
