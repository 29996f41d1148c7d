"""SDKs of those who move money."""

import json
import os
from datetime import datetime, timezone
from functools import cache
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

from hypothesis import strategies as st
from judge import (
    DOCUMENTS,
    FORM,
    JSON_BODIES,
    SECRET,
    TEXTS,
    Judge,
    as_json,
    form,
    holding,
    plain,
    sdk,
    titled,
    write_form,
)
from scheme_keys import app_store_pair, ec_pair, rsa_pair

from hookguard import Delivery, Secret, presets
from hookguard.schemes.jws import JwsKey
from hookguard.schemes.public_key import read_key

HEX = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
FORMS = st.dictionaries(st.text("abcXYZ_0", min_size=1, max_size=8), TEXTS, min_size=1, max_size=4).map(write_form)


class Stripe(Judge):
    package, modules, preset = "stripe", ("stripe",), presets.STRIPE
    signs = True

    @classmethod
    def check(cls, delivery):
        header = delivery.headers["stripe-signature"]
        return sdk("stripe").WebhookSignature.verify_header(delivery.body.decode(), header, SECRET, tolerance=300)

    @classmethod
    def theirs(cls, body, stamp, event_id):
        header = sdk("stripe").WebhookSignature.generate_signature_header(body.decode(), SECRET, timestamp=stamp)
        return Delivery(body, {"Stripe-Signature": header})


class Square(Judge):
    package, modules, preset = "squareup", ("square.utils.webhooks_helper",), presets.SQUARE
    bodies = JSON_BODIES  # it rejects an empty body

    @classmethod
    def check(cls, delivery):
        return sdk(cls.modules[0]).verify_signature(
            request_body=delivery.body.decode(),
            signature_header=delivery.headers["x-square-hmacsha256-signature"],
            signature_key=SECRET,
            notification_url=delivery.url,
        )


def _adyen_item(texts):
    reference, code, value = texts
    return {
        "live": "false",
        "notificationItems": [
            {
                "NotificationRequestItem": {
                    "pspReference": reference.replace(":", ""),
                    "merchantAccountCode": "shop",
                    "merchantReference": code,
                    "amount": {"value": value, "currency": "EUR"},
                    "eventCode": "AUTHORISATION",
                    "success": "true",
                    "additionalData": {},
                }
            }
        ],
    }


class Adyen(Judge):
    """It checks the first item only, so one is given."""

    package, modules, preset, secret = "Adyen", ("Adyen.util",), presets.ADYEN, HEX
    bodies = st.tuples(TEXTS, TEXTS, st.integers(0, 10**9)).map(_adyen_item).map(as_json)
    body = as_json(_adyen_item(("psp-1", "order", 100)))
    signed_in = "notificationItems.0.NotificationRequestItem.additionalData.hmacSignature"
    signs = True

    @classmethod
    def check(cls, delivery):
        return bool(sdk("Adyen.util").is_valid_hmac_notification(json.loads(delivery.body), HEX))

    @classmethod
    def theirs(cls, body, stamp, event_id):
        document = json.loads(body)
        item = document["notificationItems"][0]["NotificationRequestItem"]
        item["additionalData"]["hmacSignature"] = sdk("Adyen.util").generate_notification_sig(item, HEX).decode()
        return Delivery(as_json(document), cls.carried)


class AdyenPlatform(Judge):
    package, modules, preset, secret = "Adyen", ("Adyen.util",), presets.ADYEN_PLATFORM, HEX
    signs = True

    @classmethod
    def check(cls, delivery):
        return sdk("Adyen.util").is_valid_hmac_payload(delivery.headers["hmacsignature"], HEX, delivery.body)

    @classmethod
    def theirs(cls, body, stamp, event_id):
        return Delivery(body, {"HmacSignature": sdk("Adyen.util").generate_payload_sig(body, HEX).decode()})


class Razorpay(Judge):
    package, modules, preset = "razorpay", ("razorpay.utility.utility",), presets.RAZORPAY

    @classmethod
    def check(cls, delivery):
        return (
            sdk(cls.modules[0])
            .Utility()
            .verify_webhook_signature(delivery.body.decode(), delivery.headers["x-razorpay-signature"], SECRET)
        )


class Mollie(Judge):
    package, modules, preset = "mollie-api-py", ("mollie.utils.webhooks.signature_validator",), presets.MOLLIE
    signs = True

    @classmethod
    def check(cls, delivery):
        validator = sdk(cls.modules[0]).SignatureValidator(SECRET)
        return validator.validate_payload(delivery.body.decode(), delivery.headers["x-mollie-signature"])

    @classmethod
    def theirs(cls, body, stamp, event_id):
        signature = sdk(cls.modules[0]).SignatureValidator.create_signature(body.decode(), SECRET)
        return Delivery(body, {"X-Mollie-Signature": f"sha256={signature}"})


class Paddle(Judge):
    package, modules, preset = "paddle-python-sdk", ("paddle_billing.Notifications",), presets.PADDLE

    @classmethod
    def check(cls, delivery):
        assert "TEST_MODE" not in os.environ  # which would switch its clock off
        paddle = sdk(cls.modules[0])
        request = SimpleNamespace(headers=titled(delivery), body=delivery.body)
        return paddle.Verifier(300).verify(request, paddle.Secret(SECRET))


def _check(merchant):
    return (
        '<notification><kind>check</kind><timestamp type="datetime">2025-11-24T16:00:00Z</timestamp>'
        f'<source-merchant-id>{merchant}</source-merchant-id><subject><check type="boolean">true</check></subject></notification>'
    ).encode()


class Braintree(Judge):
    package, modules, preset = "braintree", ("braintree",), presets.BRAINTREE
    secret = Secret.of(public_key="a-public-key", private_key="0123456789abcdef")
    bodies = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True).map(_check)
    body = _check("my_id")
    carried = {}  # noqa: RUF012
    signed_in = "bt_signature"
    signs = True

    @classmethod
    def gateway(cls):
        braintree = sdk("braintree")
        return braintree.BraintreeGateway(
            braintree.Configuration(
                environment=braintree.Environment.Sandbox,
                merchant_id="m",
                public_key="a-public-key",
                private_key="0123456789abcdef",
            )
        )

    @classmethod
    def check(cls, delivery):
        fields = form(delivery)
        return cls.gateway().webhook_notification.parse(fields["bt_signature"], fields["bt_payload"]) is not None

    @classmethod
    def theirs(cls, body, stamp, event_id):
        return Delivery(write_form(cls.gateway().webhook_testing.sample_notification("check", "my_id")), FORM)


class GoCardless(Judge):
    package, modules, preset = "gocardless-pro", ("gocardless_pro.webhooks",), presets.GOCARDLESS
    bodies = holding(events=[{"id": "EV1"}])
    body = as_json({"events": [{"id": "EV1"}]})

    @classmethod
    def check(cls, delivery):
        return bool(sdk(cls.modules[0]).parse(delivery.body.decode(), SECRET, delivery.headers["webhook-signature"]))


class CoinbaseCommerce(Judge):
    package, modules, preset = "coinbase-commerce", ("coinbase_commerce.webhook",), presets.COINBASE_COMMERCE
    bodies = holding(event={"id": "1", "type": "charge:created"})
    body = as_json({"event": {"id": "1", "type": "charge:created"}})

    @classmethod
    def check(cls, delivery):
        header = delivery.headers["x-cc-webhook-signature"]
        return sdk(cls.modules[0]).Webhook.construct_event(delivery.body.decode(), header, SECRET) is not None


class Cashfree(Judge):
    package, modules, preset = "cashfree-pg", ("cashfree_pg.api_client",), presets.CASHFREE
    bodies = holding(type="PAYMENT_SUCCESS_WEBHOOK")
    body = as_json({"type": "PAYMENT_SUCCESS_WEBHOOK"})

    @classmethod
    def check(cls, delivery):
        client = SimpleNamespace(XClientSecret=SECRET)
        headers = plain(delivery)
        return (
            sdk(cls.modules[0]).Cashfree.PGVerifyWebhookSignature(
                client, headers["x-webhook-signature"], delivery.body.decode(), headers["x-webhook-timestamp"]
            )
            is not None
        )


class MercadoPago(Judge):
    """Its ``tolerance_seconds`` reads the time as seconds, and what is sent is milliseconds: only the HMAC is asked for."""

    package, modules, preset = "mercadopago", ("mercadopago.webhook.validator",), presets.MERCADO_PAGO
    url = "https://example.com/hooks?data.id=abc&type=payment"

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        return (
            sdk(cls.modules[0]).WebhookSignatureValidator.validate(
                headers.get("x-signature"),
                headers.get("x-request-id"),
                parse_qs(urlsplit(delivery.url).query).get("data.id", [None])[0],
                SECRET,
            )
            is None
        )


class Polar(Judge):
    package, modules, preset = "polar-sdk", ("polar.webhooks",), presets.POLAR
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    bodies = holding(type="order.paid")
    body = as_json({"type": "order.paid"})

    @classmethod
    def check(cls, delivery):
        validate = sdk(cls.modules[0]).validate_event
        return bool(validate(delivery.body, plain(delivery), cls.secret, frozenset({"order.paid"}), dict))


class Paytm(Judge):
    package, modules, preset, secret = "paytmchecksum", ("paytmchecksum",), presets.PAYTM, "0123456789abcdef"
    bodies, body, carried = FORMS, write_form({"ORDERID": "o-1", "STATUS": "TXN_SUCCESS"}), FORM
    signed_in = "CHECKSUMHASH"
    signs = True

    @classmethod
    def check(cls, delivery):
        fields = form(delivery)
        return sdk("paytmchecksum").verifySignature(fields, cls.secret, fields.get("CHECKSUMHASH"))

    @classmethod
    def theirs(cls, body, stamp, event_id):
        fields = form(Delivery(body, FORM))
        return Delivery(write_form({**fields, "CHECKSUMHASH": sdk("paytmchecksum").generateSignature(fields, cls.secret)}), FORM)


@cache
def _pkcs1():
    from cryptography.hazmat.primitives import serialization

    return (
        read_key(rsa_pair()[0])
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        .decode()
    )


class Alipay(Judge):
    """It verifies what the receiver joins; it lets the signature say which hash it is of."""

    package, modules, preset = "alipay-sdk-python", ("alipay.aop.api.util.SignatureUtils",), presets.ALIPAY
    signing, secret = rsa_pair()
    bodies = FORMS
    body = write_form({"notify_id": "n-1", "notify_type": "trade", "charset": "utf-8"})
    carried = FORM
    signed_in = "sign"
    signs = True

    @classmethod
    def ours(cls, body=None, *, off=0, event_id="msg_1"):
        return super().ours(cls.dated(body or cls.body, off), event_id=event_id)

    @classmethod
    def dated(cls, body, off=0):
        moment = datetime.fromtimestamp(datetime.now(timezone.utc).timestamp() + 8 * 3600 + off, timezone.utc)
        return write_form({**form(Delivery(body, FORM)), "notify_time": moment.strftime("%Y-%m-%d %H:%M:%S")})

    @classmethod
    def check(cls, delivery):
        utils = sdk(cls.modules[0])
        fields = form(delivery)
        content = utils.get_sign_content({name: value for name, value in fields.items() if name not in ("sign", "sign_type")})
        return utils.verify_with_rsa(cls.secret, content.encode(), fields["sign"])

    @classmethod
    def theirs(cls, body, stamp, event_id):
        utils = sdk(cls.modules[0])
        fields = form(Delivery(cls.dated(body), FORM))
        sign = utils.sign_with_rsa2(_pkcs1(), utils.get_sign_content(fields), "utf-8")
        return Delivery(write_form({**fields, "sign": sign, "sign_type": "RSA2"}), FORM)


class ModernTreasury(Judge):
    package, modules, preset = "modern-treasury", ("modern_treasury",), presets.MODERN_TREASURY
    signs = True

    @classmethod
    @cache
    def client(cls):
        return sdk("modern_treasury").ModernTreasury(api_key="k", organization_id="o", webhook_key=SECRET)

    @classmethod
    def check(cls, delivery):
        return cls.client().webhooks.validate_signature(delivery.body.decode(), plain(delivery))

    @classmethod
    def theirs(cls, body, stamp, event_id):
        signature = cls.client().webhooks.get_signature(body.decode())
        return Delivery(body, {"X-Signature": signature, "X-Webhook-ID": event_id})


class Increase(Judge):
    package, modules, preset = "increase", ("increase", "standardwebhooks"), presets.INCREASE
    bodies = holding(type="event")
    body = as_json({"type": "event"})

    @classmethod
    @cache
    def client(cls):
        return sdk("increase").Increase(api_key="k", webhook_secret=SECRET)

    @classmethod
    def check(cls, delivery):
        return cls.client().events.unwrap(delivery.body.decode(), headers=plain(delivery)) is not None


class Lithic(Judge):
    package, modules, preset = "lithic", ("lithic", "standardwebhooks"), presets.LITHIC
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    bodies = JSON_BODIES

    @classmethod
    @cache
    def client(cls):
        return sdk("lithic").Lithic(api_key="k", webhook_secret=cls.secret)

    @classmethod
    def check(cls, delivery):
        cls.client().webhooks.verify_signature(delivery.body, plain(delivery))


class TrueLayer(Judge):
    package, modules, preset = "truelayer-signing", ("truelayer_signing",), presets.TRUELAYER
    secret = Secret.of(environment="sandbox")
    signing = Secret.of(environment="sandbox", private_key=ec_pair(curve="p521")[0])
    url = "https://example.com/hooks/one"

    @classmethod
    def found(cls):
        return JwsKey(read_key(ec_pair(curve="p521")[1]), "ES512")

    @classmethod
    def check(cls, delivery):
        truelayer = sdk("truelayer_signing")
        headers = plain(delivery)
        token = headers["tl-signature"]
        assert truelayer.extract_jws_header(token).jku == "https://webhooks.truelayer-sandbox.com/.well-known/jwks"
        verifier = truelayer.verify_with_pem(ec_pair(curve="p521")[1])
        verifier.set_method(truelayer.HttpMethod.POST).set_path(urlsplit(delivery.url).path).add_headers(headers)
        verifier.add_required_header("X-Tl-Webhook-Timestamp").set_body(delivery.body.decode()).verify(token)


class AppStore(Judge):
    package, modules, preset = "app-store-server-library", ("appstoreserverlibrary.signed_data_verifier",), presets.APP_STORE
    signing, secret = app_store_pair()
    bodies = DOCUMENTS.map(
        lambda document: as_json({"notificationUUID": "u-1", "notificationType": "TEST", "note": str(document)})
    )
    body = as_json({"notificationUUID": "u-1", "notificationType": "TEST"})
    signed_in = "signedPayload"

    @classmethod
    @cache
    def verifier(cls):
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        root = x509.load_pem_x509_certificates(cls.signing.field("certificates").encode())[2].public_bytes(Encoding.DER)
        module = sdk(cls.modules[0])
        made = module.SignedDataVerifier([root], False, module.Environment.SANDBOX, "com.example.app")
        made._chain_verifier.enable_strict_checks = False  # our certificates name no key identifiers, as Apple's do
        return made

    @classmethod
    def check(cls, delivery):
        return bool(cls.verifier().verify_and_decode_notification(json.loads(delivery.body)["signedPayload"]))


JUDGES = [
    Stripe,
    Square,
    Adyen,
    AdyenPlatform,
    Razorpay,
    Mollie,
    Paddle,
    Braintree,
    GoCardless,
    CoinbaseCommerce,
    Cashfree,
    MercadoPago,
    Polar,
    Paytm,
    Alipay,
    ModernTreasury,
    Increase,
    Lithic,
    TrueLayer,
    AppStore,
]
