"""Payment providers' vectors that stay in the folder HOOKGUARD_VECTORS names, made into cases."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any


def plain(preset: str) -> Any:
    """A vector that needs no more than its own fields."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        made = {"preset": preset, "id": vector["origin"], "secret": vector["secret"], "headers": vector["headers"]}
        made |= {name: vector[name] for name in ("body", "url", "method", "valid") if vector.get(name) is not None}
        # Without a clock of its own a vector is verified at the time it was signed.
        return made | ({"now": vector["now"]} if vector.get("now") is not None else {})

    return case


def again(make: Any) -> Any:
    """A vector that we sign another way, which must then verify: the sender leaves more open than we do."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        return make(vector) | {"random": True}

    return case


def public(make: Any) -> Any:
    """A vector with a public key: nobody published the private one, so it cannot be signed again."""

    def case(vector: dict[str, Any]) -> dict[str, Any]:
        return make(vector) | {"signer": False}

    return case


_NO_CERTIFICATE = "https://api.sandbox.paypal.com/v1/notifications/test"


def paypal(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector with the certificate that its address stands for; its dates are long past."""
    signed_at = datetime.fromisoformat(vector["timestamp"].replace("Z", "+00:00")).timestamp()
    made = plain("paypal")(vector)
    # One test of theirs has stand-ins here, which its own code never reads; neither is signed.
    stand_ins = {"NotToBeFound": "SHA256withRSA", _NO_CERTIFICATE: _NO_CERTIFICATE.replace("test", "certs/CERT-test")}
    made["headers"] = {name: stand_ins.get(value, value) for name, value in made["headers"].items()}
    return made | {"document": vector["cert_pem"], "now": signed_at, "signer": False}


def wechat_pay(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector with a platform certificate and what its resource says; its key for that is a short one."""
    public = {vector["headers"]["Wechatpay-Serial"]: vector["secret"]}
    secret = {"public_keys": public, "api_v3_key": vector.get("apiv3_key", "testMchAPIv3Key0")}
    made = plain("wechat-pay")(vector) | {"secret": secret, "signer": False}
    if vector["valid"]:
        made["event"] = {"content": {**json.loads(vector["body"]), "resource": json.loads(vector["decrypted_resource"])}}
    return made


def braintree(vector: dict[str, Any]) -> dict[str, Any]:
    """A form or a challenge, with both keys; a form that lists other keys as well is signed with ours alone."""
    secret = {"public_key": "integration_public_key", "private_key": vector["secret"]}
    made = plain("braintree")(vector) | {"secret": secret}
    if "expected" in vector:
        return made | {"body": "", "reply": {"body": vector["expected"]}}
    return made | ({"random": True} if "other_key" in vector["body"] else {})


#: The collection's name of a provider, and what makes a case of its vectors.
CASES = {
    "paddle": plain("paddle"),
    "stripe": plain("stripe"),
    "razorpay": plain("razorpay"),
    "shopify": plain("shopify"),
    "standard_webhooks": plain("standard-webhooks"),
    "square": plain("square"),
    "adyen_platform": plain("adyen-platform"),
    "coinbase_commerce": plain("coinbase-commerce"),
    "coinbase_cdp_hook0": again(plain("coinbase-cdp")),
    "recurly": plain("recurly"),
    "authorize_net": plain("authorize-net"),
    "mollie": plain("mollie"),
    "polar": plain("polar"),
    "mercadopago": plain("mercado-pago"),
    "adyen_standard": plain("adyen"),
    "gocardless": plain("gocardless"),
    "paypal": paypal,
    "wechatpay_v3": wechat_pay,
    "braintree": braintree,
    "braintree_challenge": braintree,
    "wise": public(plain("wise")),
    "alipay": public(plain("alipay")),
}

#: Those that are not made into cases, and why.
LEFT: dict[str, str] = {}

#: Presets whose only vectors are long ones.
LONG = {"wechat-pay", "adyen", "gocardless", "paypal", "alipay", "wise", "adyen-platform", "coinbase-commerce", "razorpay"}
