"""SDKs of platforms, and of those who send webhooks for others."""

import base64
import json
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from types import SimpleNamespace

from judge import BODIES, JSON_BODIES, SECRET, Judge, plain, sdk
from scheme_keys import rsa_pair

from hookguard import Delivery, Secret, presets
from hookguard.schemes.jws import JwsKey
from hookguard.schemes.public_key import read_key

WHSEC = "whsec_" + base64.b64encode(bytes(range(7, 39))).decode()


class Standard(Judge):
    package, modules, preset, secret = "standardwebhooks", ("standardwebhooks.webhooks",), presets.STANDARD_WEBHOOKS, WHSEC
    signs = True
    kind = "webhook"

    @classmethod
    def check(cls, delivery):
        with suppress(json.JSONDecodeError):  # it verifies first and parses afterwards
            sdk(cls.modules[0]).Webhook(WHSEC).verify(delivery.body, plain(delivery))

    @classmethod
    def theirs(cls, body, stamp, event_id):
        at = datetime.fromtimestamp(stamp, timezone.utc)
        signature = sdk(cls.modules[0]).Webhook(WHSEC).sign(event_id, at, body.decode())
        return Delivery(
            body, {f"{cls.kind}-id": event_id, f"{cls.kind}-timestamp": str(stamp), f"{cls.kind}-signature": signature}
        )


class GitLab(Standard):
    """GitLab's merge request 230944, which brought the signing token, checks its deliveries with a standardwebhooks library."""

    preset = presets.GITLAB


class Svix(Standard):
    package, modules, preset, kind = "svix", ("svix.webhooks",), presets.SVIX, "svix"


class Clerk(Svix):
    """Clerk's own pages say to verify with the package ``svix``."""

    preset = presets.CLERK


class OpenAI(Judge):
    package, modules, preset, secret = "openai", ("openai",), presets.OPENAI, WHSEC

    @classmethod
    @cache
    def client(cls):
        return sdk("openai").OpenAI(api_key="k", webhook_secret=WHSEC)

    @classmethod
    def check(cls, delivery):
        cls.client().webhooks.verify_signature(delivery.body, plain(delivery))


class Anthropic(Judge):
    package, modules, preset, secret = "anthropic", ("anthropic", "standardwebhooks"), presets.ANTHROPIC, WHSEC
    bodies = JSON_BODIES

    @classmethod
    @cache
    def client(cls):
        return sdk("anthropic").Anthropic(api_key="k", webhook_key=WHSEC)

    @classmethod
    def check(cls, delivery):
        return cls.client().beta.webhooks.unwrap(delivery.body.decode(), headers=plain(delivery)) is not None


class GitHub(Judge):
    """gidgethub is not GitHub's own: a judge, and no proof of the preset."""

    package, modules, preset, official = "gidgethub", ("gidgethub.sansio",), presets.GITHUB, False
    bodies = BODIES

    @classmethod
    def check(cls, delivery):
        header = delivery.headers["x-hub-signature-256"]
        sdk(cls.modules[0]).validate_event(delivery.body, signature=header, secret=SECRET)


class Box(Judge):
    package, modules, preset = "box-sdk-gen", ("box_sdk_gen",), presets.BOX
    carried = {"Box-Signature-Version": "1", "Box-Signature-Algorithm": "HmacSHA256", "Box-Delivery-Id": "d-1"}  # noqa: RUF012
    signs = True

    @classmethod
    def check(cls, delivery):
        return sdk("box_sdk_gen.managers.webhooks").WebhooksManager.validate_message(
            delivery.body.decode(), plain(delivery), SECRET
        )

    @classmethod
    def theirs(cls, body, stamp, event_id):
        moment = datetime.fromtimestamp(stamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {name.lower(): value for name, value in cls.carried.items()}
        headers["box-delivery-timestamp"] = moment
        signature = sdk("box_sdk_gen.internal.utils").compute_webhook_signature(body.decode(), headers, SECRET)
        return Delivery(body, {**headers, "box-delivery-id": event_id, "box-signature-primary": signature})


class Cloudinary(Judge):
    package, modules, preset = "cloudinary", ("cloudinary.utils",), presets.CLOUDINARY

    @classmethod
    def check(cls, delivery):
        sdk("cloudinary").config(api_secret=SECRET)
        headers = plain(delivery)
        return sdk(cls.modules[0]).verify_notification_signature(
            delivery.body.decode(), headers["x-cld-timestamp"], headers["x-cld-signature"]
        )


class WorkOS(Judge):
    package, modules, preset = "workos", ("workos.webhooks._verification",), presets.WORKOS

    @classmethod
    def check(cls, delivery):
        sdk(cls.modules[0]).verify_header(
            event_body=delivery.body, event_signature=delivery.headers["workos-signature"], secret=SECRET
        )


class ElevenLabs(Judge):
    package, modules, preset = "elevenlabs", ("elevenlabs.webhooks_custom",), presets.ELEVENLABS
    bodies = JSON_BODIES

    @classmethod
    def check(cls, delivery):
        header = delivery.headers["elevenlabs-signature"]
        sdk(cls.modules[0]).WebhooksClient.construct_event(None, delivery.body.decode(), header, SECRET)


class QStash(Judge):
    package, modules, preset = "qstash", ("qstash",), presets.QSTASH

    @classmethod
    def check(cls, delivery):
        receiver = sdk("qstash").Receiver(current_signing_key=SECRET, next_signing_key="another-signing-key-of-its-own")
        receiver.verify(signature=delivery.headers["upstash-signature"], body=delivery.body.decode(), url=delivery.url)


class GooglePubSub(Judge):
    package, modules, preset = "google-auth", ("google.oauth2.id_token",), presets.GOOGLE_PUBSUB
    secret = Secret.of(audience="https://example.com/hooks", email="push@project.iam.gserviceaccount.com")
    signing = Secret.of(
        audience="https://example.com/hooks",
        email="push@project.iam.gserviceaccount.com",
        private_key=rsa_pair()[0],
        key_id="kid-1",
    )

    @classmethod
    def found(cls):
        return JwsKey(read_key(rsa_pair()[1]), "RS256")

    @classmethod
    def check(cls, delivery):
        scheme, _, token = delivery.headers["authorization"].partition(" ")
        published = json.dumps({"kid-1": rsa_pair()[1]}).encode()
        claims = sdk(cls.modules[0]).verify_oauth2_token(
            token, lambda url, **options: SimpleNamespace(status=200, data=published), "https://example.com/hooks"
        )
        # Google's page on push subscriptions adds these checks to the package's own.
        return (
            scheme == "Bearer" and claims["email"] == "push@project.iam.gserviceaccount.com" and claims["email_verified"] is True
        )


JUDGES = [
    Standard,
    GitLab,
    Svix,
    Clerk,
    OpenAI,
    Anthropic,
    GitHub,
    Box,
    Cloudinary,
    WorkOS,
    ElevenLabs,
    QStash,
    GooglePubSub,
]
