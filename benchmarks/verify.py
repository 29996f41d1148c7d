"""What verifying costs, against the check one writes by hand and against the providers' own SDKs.

    python benchmarks/verify.py

The floor is the hand-written check: hmac.digest, compare_digest and the same reading of the header, with a plain dict of
lower-case headers (nothing can look a header up faster). Ours returns a typed Event.
"""

from __future__ import annotations

import base64
import hmac
import time

from rounds import compare, show

from hookguard import Delivery, Headers, Verifier, presets

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HEADERS = {
    "host": "hooks.example.com",
    "user-agent": "sender/1.0",
    "accept": "*/*",
    "accept-encoding": "gzip",
    "content-type": "application/json",
    "content-length": "2048",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-proto": "https",
}
SIZES = (256, 2048, 262_144)


def body_of(size: int) -> bytes:
    """A JSON text of that many bytes."""
    return b'{"id":"evt_1","type":"t","data":"' + b"x" * (size - 35) + b'"}'


def by_hand(provider, body, headers):
    """The check as a careful developer writes it in a view."""
    now = time.time
    if provider == "github":
        key = SECRET.encode()

        def check():
            expected = "sha256=" + hmac.digest(key, body, "sha256").hex()
            if not hmac.compare_digest(expected, headers["x-hub-signature-256"]):
                raise ValueError

    elif provider == "stripe":
        key = SECRET.encode()

        def check():
            stamp, signatures = "", []
            for item in headers["stripe-signature"].split(","):
                name, _, value = item.partition("=")
                if name == "t":
                    stamp = value
                elif name == "v1":
                    signatures.append(value)
            if abs(now() - int(stamp)) > 300:
                raise ValueError
            expected = hmac.digest(key, stamp.encode() + b"." + body, "sha256").hex()
            if not any(hmac.compare_digest(expected, signature) for signature in signatures):
                raise ValueError

    else:
        key = base64.b64decode(SECRET.removeprefix("whsec_"))

        def check():
            identifier, stamp = headers["webhook-id"], headers["webhook-timestamp"]
            if abs(now() - int(stamp)) > 300:
                raise ValueError
            signed = f"{identifier}.{stamp}.".encode() + body
            expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
            for item in headers["webhook-signature"].split(" "):
                version, _, signature = item.partition(",")
                if version == "v1" and hmac.compare_digest(expected, signature):
                    return
            raise ValueError

    return check


def by_sdk(provider, body, headers):
    """The provider's official check, where the package is installed."""
    try:
        if provider == "stripe":
            from stripe import WebhookSignature

            text = body.decode()
            return lambda: WebhookSignature.verify_header(text, headers["stripe-signature"], SECRET, 300)
        if provider == "standard-webhooks":
            from standardwebhooks import Webhook

            webhook = Webhook(SECRET)
            return lambda: webhook.verify(body, headers)
        from gidgethub.sansio import validate_event

        return lambda: validate_event(body, signature=headers["x-hub-signature-256"], secret=SECRET)
    except ImportError:
        return None


def main() -> None:
    """Print the tables."""
    for provider in ("github", "stripe", "standard-webhooks"):
        for size in SIZES:
            preset = presets.get(provider)
            body = body_of(size)
            signed = preset.sign(body, SECRET, id="msg_1", type="push", headers=HEADERS)
            plain = dict(signed.headers.items())
            ready = Headers(plain)
            delivery = Delivery(body, ready)
            verifier = Verifier(preset, [SECRET])
            candidates = {
                "by hand (floor)": by_hand(provider, body, plain),
                "Verifier.verify(delivery)": lambda v=verifier, d=delivery: v.verify(d),
                "Verifier.verify(Delivery(body, headers))": lambda v=verifier, b=body, h=ready: v.verify(Delivery(b, h)),
                "Verifier.verify(Delivery(body, dict of 12))": lambda v=verifier, b=body, h=plain: v.verify(Delivery(b, h)),
            }
            if sdk := by_sdk(provider, body, plain):
                candidates["the provider's SDK"] = sdk
            show(f"{provider}, {size} bytes", compare(candidates))
    for size in (2048, 262_144):
        body = body_of(size)
        signed = presets.GITHUB.sign(body, SECRET, id="1", type="push")
        verifier = Verifier("github", ["another-secret-of-32-characters!", SECRET])
        show(
            f"github, {size} bytes, the second of two secrets matches",
            compare(
                {
                    "by hand with the right secret (floor)": by_hand("github", body, dict(signed.headers.items())),
                    "Verifier.verify(delivery)": lambda v=verifier, d=signed: v.verify(d),
                }
            ),
        )


if __name__ == "__main__":
    main()
