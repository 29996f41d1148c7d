"""SDKs of those who carry messages, calls and mail."""

import json
import time
from functools import cache
from types import SimpleNamespace

from hypothesis import strategies as st
from judge import (
    BODIES,
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
from scheme_keys import ec_pair, ed25519_pair

from hookguard import Delivery, Secret, presets
from hookguard.schemes.public_key import read_key

FORMS = st.dictionaries(st.text("abcXYZ_0", min_size=1, max_size=8), TEXTS, min_size=1, max_size=4).map(write_form)


class Slack(Judge):
    package, modules, preset = "slack-sdk", ("slack_sdk.signature",), presets.SLACK
    signs = True

    @classmethod
    def check(cls, delivery):
        return sdk(cls.modules[0]).SignatureVerifier(SECRET).is_valid_request(delivery.body, plain(delivery))

    @classmethod
    def theirs(cls, body, stamp, event_id):
        text = sdk(cls.modules[0]).SignatureVerifier(SECRET).generate_signature(timestamp=str(stamp), body=body)
        return Delivery(body, {"X-Slack-Signature": text, "X-Slack-Request-Timestamp": str(stamp)})


class Twilio(Judge):
    package, modules, preset = "twilio", ("twilio.request_validator",), presets.TWILIO
    bodies, body, carried = FORMS, write_form({"MessageSid": "SM1", "Body": "hello"}), FORM
    signs = True

    @classmethod
    def check(cls, delivery):
        signature = delivery.headers["x-twilio-signature"]
        return sdk(cls.modules[0]).RequestValidator(SECRET).validate(delivery.url, form(delivery), signature)

    @classmethod
    def theirs(cls, body, stamp, event_id):
        delivery = Delivery(body, FORM, url=cls.url)
        signature = sdk(cls.modules[0]).RequestValidator(SECRET).compute_signature(cls.url, form(delivery))
        return Delivery(body, {**FORM, "X-Twilio-Signature": signature}, url=cls.url)


class TwilioJson(Judge):
    """A body other than a form, whose hash the URL carries."""

    package, modules, preset = "twilio", ("twilio.request_validator",), presets.TWILIO
    bodies = JSON_BODIES

    @classmethod
    def check(cls, delivery):
        signature = delivery.headers["x-twilio-signature"]
        return sdk(cls.modules[0]).RequestValidator(SECRET).validate(delivery.url, delivery.body.decode(), signature)


class SendGrid(Judge):
    package, modules, preset = "sendgrid", ("sendgrid.helpers.eventwebhook",), presets.SENDGRID
    signing, secret = ec_pair()

    @classmethod
    def check(cls, delivery):
        bare = "".join(line for line in cls.secret.splitlines() if "-" not in line)
        headers = plain(delivery)
        return (
            sdk(cls.modules[0])
            .EventWebhook(bare)
            .verify_signature(
                delivery.body.decode(),
                headers["x-twilio-email-event-webhook-signature"],
                headers["x-twilio-email-event-webhook-timestamp"],
            )
        )


class Line(Judge):
    package, modules, preset = "line-bot-sdk", ("linebot.v3.webhook",), presets.LINE

    @classmethod
    def check(cls, delivery):
        return (
            sdk(cls.modules[0]).SignatureValidator(SECRET).validate(delivery.body.decode(), delivery.headers["x-line-signature"])
        )


class Mailgun(Judge):
    """Its window is set to the preset's, which retries need."""

    package, modules, preset = "mailgun", ("mailgun.security",), presets.MAILGUN
    carried = {"content-type": "application/json"}  # noqa: RUF012
    signed_in = "signature.signature"
    bodies = DOCUMENTS
    body = {}  # noqa: RUF012

    @classmethod
    def ours(cls, body=None, *, off=0, event_id="msg_1"):
        signed = {"timestamp": str(int(time.time()) + off), "token": event_id}
        return super().ours(as_json({"event-data": body or cls.body, "signature": signed}))

    @classmethod
    def check(cls, delivery):
        signature = json.loads(delivery.body)["signature"]
        guard = next(kind for kind in vars(sdk(cls.modules[0])).values() if hasattr(kind, "verify_webhook"))
        return guard.verify_webhook(
            SECRET, signature["token"], signature["timestamp"], signature["signature"], int(cls.preset.tolerance)
        )


class Telnyx(Judge):
    package, modules, preset = "telnyx", ("telnyx", "telnyx.lib.webhook_verification", "nacl.signing"), presets.TELNYX
    signing, secret = ed25519_pair()

    @classmethod
    @cache
    def key(cls):
        import base64

        return base64.b64encode(read_key(cls.secret).public_bytes_raw()).decode()

    @classmethod
    def check(cls, delivery):
        sdk(cls.modules[1]).verify_webhook_signature(delivery.body, plain(delivery), cls.key())


class Plivo(Judge):
    package, modules, preset = "plivo", ("plivo.utils.signature_v3",), presets.PLIVO
    bodies, body, carried = FORMS, write_form({"CallUUID": "c-1", "Event": "Hangup"}), FORM
    signs = True

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        return sdk(cls.modules[0]).validate_v3_signature(
            method="POST",
            uri=delivery.url,
            nonce=headers["x-plivo-signature-v3-nonce"],
            auth_token=SECRET,
            v3_signature=headers["x-plivo-signature-v3"],
            params=form(delivery),
        )

    @classmethod
    def theirs(cls, body, stamp, event_id):
        module = sdk(cls.modules[0])
        base = module.construct_post_url(cls.url, form(Delivery(body, FORM))).decode()
        signature = module.get_signature_v3(SECRET.encode(), base, event_id).decode()
        return Delivery(body, {**FORM, "X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": event_id}, url=cls.url)


class Pusher(Judge):
    package, modules, preset = "pusher", ("pusher",), presets.PUSHER
    bodies = DOCUMENTS
    body = {}  # noqa: RUF012
    carried = {"X-Pusher-Key": "key"}  # noqa: RUF012

    @classmethod
    def ours(cls, body=None, *, off=0, event_id="msg_1"):
        stamp = (int(time.time()) + off) * 1000
        return super().ours(as_json({**(body or cls.body), "time_ms": stamp, "events": [{"name": "channel_occupied"}]}))

    @classmethod
    @cache
    def client(cls):
        return sdk("pusher").Pusher(app_id="1", key="key", secret=SECRET, cluster="eu")

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        return (
            cls.client().validate_webhook(headers["x-pusher-key"], headers["x-pusher-signature"], delivery.body.decode())
            is not None
        )


class Vonage(Judge):
    """It checks the token alone; the body's hash is ours to check."""

    package, modules, preset = "vonage-jwt", ("vonage_jwt",), presets.VONAGE

    @classmethod
    def check(cls, delivery):
        scheme, _, token = delivery.headers["authorization"].partition(" ")
        return scheme == "Bearer" and sdk("vonage_jwt").verify_signature(token, SECRET)


class MessageBird(Judge):
    package, modules, preset = "messagebird", ("messagebird.request_validator",), presets.MESSAGEBIRD
    bodies = BODIES

    @classmethod
    def check(cls, delivery):
        return bool(
            sdk(cls.modules[0])
            .RequestValidator(SECRET)
            .validate_signature(delivery.headers["messagebird-signature-jwt"], delivery.url, delivery.body)
        )


class Viber(Judge):
    package, modules, preset = "viberbot", ("viberbot",), presets.VIBER
    bodies = BODIES
    signs = True

    @classmethod
    @cache
    def api(cls):
        configuration = sdk("viberbot.api.bot_configuration").BotConfiguration(name="n", avatar="a", auth_token=SECRET)
        return sdk("viberbot").Api(configuration)

    @classmethod
    def check(cls, delivery):
        return cls.api().verify_signature(delivery.body, delivery.headers["x-viber-content-signature"])

    @classmethod
    def theirs(cls, body, stamp, event_id):
        return Delivery(body, {"X-Viber-Content-Signature": cls.api()._calculate_message_signature(body)})


class Lark(Judge):
    package, modules, preset = "lark-oapi", ("lark_oapi",), presets.LARK
    secret = Secret.of(encrypt_key=SECRET)
    bodies = holding(schema="2.0", header={"event_id": "e-1", "event_type": "thing.happened"}, event={"note": "ünï"})
    body = as_json({"schema": "2.0", "header": {"event_id": "e-1", "event_type": "thing.happened"}, "event": {"a": 1}})
    carried = {"X-Lark-Request-Nonce": "nonce-1", "content-type": "application/json"}  # noqa: RUF012

    @classmethod
    @cache
    def handler(cls):
        builder = sdk("lark_oapi").EventDispatcherHandler.builder(SECRET, "")
        return builder.register_p2_customized_event("thing.happened", lambda event: None).build()

    @classmethod
    def check(cls, delivery):
        request = SimpleNamespace(uri="/", headers=titled(delivery), body=delivery.body)
        return cls.handler().do(request).status_code == 200


class Resend(Judge):
    package, modules, preset = "resend", ("resend",), presets.RESEND
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    bodies = JSON_BODIES

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        given = {
            "payload": delivery.body.decode(),
            "headers": {part: headers.get(f"svix-{part}", "") for part in ("id", "timestamp", "signature")},
            "webhook_secret": cls.secret,
        }
        sdk("resend").Webhooks.verify(given)


class Discord(Judge):
    package, modules, preset = "discord-interactions", ("discord_interactions",), presets.DISCORD
    signing, secret = ed25519_pair()
    bodies = BODIES

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        return sdk("discord_interactions").verify_key(
            delivery.body,
            headers["x-signature-ed25519"],
            headers["x-signature-timestamp"],
            read_key(cls.secret).public_bytes_raw().hex(),
        )


class DiscordEvents(Discord):
    preset = presets.DISCORD_EVENTS


class HubSpot(Judge):
    package, modules, preset, version = "hubspot-api-client", ("hubspot.utils.signature",), presets.HUBSPOT, "v3"
    signs = True
    bodies = JSON_BODIES

    @classmethod
    def check(cls, delivery):
        headers = plain(delivery)
        return sdk(cls.modules[0]).Signature.is_valid(
            headers["x-hubspot-signature-v3" if cls.version == "v3" else "x-hubspot-signature"],
            SECRET,
            delivery.body.decode(),
            delivery.url,
            delivery.method,
            cls.version,
            headers.get("x-hubspot-request-timestamp"),
        )

    @classmethod
    def theirs(cls, body, stamp, event_id):
        written = str(stamp * 1000)
        text = sdk(cls.modules[0]).Signature.get_signature(SECRET, body.decode(), cls.version, cls.url, "POST", written)
        if cls.version == "v3":
            return Delivery(body, {"X-HubSpot-Signature-v3": text, "X-HubSpot-Request-Timestamp": written}, url=cls.url)
        return Delivery(body, {"X-HubSpot-Signature": text}, url=cls.url)


class HubSpotV2(HubSpot):
    preset, version = presets.HUBSPOT_V2, "v2"


class HubSpotV1(HubSpot):
    preset, version = presets.HUBSPOT_V1, "v1"


JUDGES = [
    Slack,
    Twilio,
    TwilioJson,
    SendGrid,
    Line,
    Mailgun,
    Telnyx,
    Plivo,
    Pusher,
    Vonage,
    MessageBird,
    Viber,
    Lark,
    Resend,
    Discord,
    DiscordEvents,
    HubSpot,
    HubSpotV2,
    HubSpotV1,
]
