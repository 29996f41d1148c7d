"""What verifying costs, against the check one writes by hand and against the providers' own SDKs.

    python benchmarks/verify.py [--every]

The floor is the hand-written check: hmac.digest, compare_digest and the same reading of the header, with a plain dict of
lower-case headers (nothing can look a header up faster). Ours returns a typed Event. --every takes every preset that is an HMAC
over a template, at 2 KiB: its floor knows beforehand what is signed and where, joins it, hashes, writes and compares it, and
judges the time where one is signed.
"""

from __future__ import annotations

import base64
import hmac
import re
import sys
import time

from rounds import compare, show

from hookguard import Delivery, Headers, Secret, Verifier, presets
from hookguard.place import InBody
from hookguard.schemes.hmac import HmacScheme

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


def every() -> None:
    """Print a row for each preset that is an HMAC over a template."""
    key = bytes(range(1, 33))
    print(f"{'preset':<24} {'floor us':>9} {'ours us':>9} {'ratio':>7}")
    for preset in presets.BUILT_IN:
        scheme = preset.scheme
        if type(scheme) is not HmacScheme or "{secret}" in scheme.signed:
            continue
        body = body_of(2048)
        if isinstance(scheme.timestamp, InBody):
            step = scheme.timestamp.path.split(".")[-1]
            body = b'{"%s":%d,' % (step.encode(), int(time.time() * 1000)) + body[1:]
        url = "https://example.com/hooks" if "url" in scheme.covers else ""
        extra = {name[7:]: "value" for name in re.findall(r"\{(header:[^}]*)\}", scheme.signed)}
        delivery = preset.sign(body, Secret.exact(key), id="msg_1", type="push", url=url, headers={**HEADERS, **extra})
        verifier = Verifier(preset, Secret.exact(key))
        candidates = {"floor": template_by_hand(preset, delivery, key), "ours": lambda v=verifier, d=delivery: v.verify(d)}
        result = compare(candidates)
        print(f"{preset.name:<24} {result['floor'][0]:>9.2f} {result['ours'][0]:>9.2f} {result['ours'][1]:>6.2f}x", flush=True)


def template_by_hand(preset, delivery, key):
    """One check that knows everything about this preset beforehand."""
    scheme, headers, body = preset.scheme, dict(delivery.headers.items()), delivery.body
    event = Verifier(preset, Secret.exact(key), clock=time.time).verify(delivery)
    layout = scheme.signature[0].layout
    value = headers[scheme.required_header]
    stamp = None
    if scheme.signs_timestamp and not isinstance(scheme.timestamp, InBody):
        stamp = headers[scheme.timestamp.name.lower()] if scheme.timestamp else layout.read(value)[1]
    parts = scheme._parts(delivery, stamp)
    head, tail = (parts[0], parts[2] if len(parts) > 2 else b"") if body in parts and parts[0] is not body else (b"", b"")
    whole = b"".join(parts) if body not in parts else None
    now, moment, separator = time.time, event.timestamp, layout.separator

    def check():
        if moment is not None and abs(now() - moment) > 300:
            raise ValueError
        message = whole if whole is not None else head + body + tail if head or tail else body
        expected = layout.prefix + layout.encode(hmac.digest(key, message, scheme.digest))
        items = value.split(separator) if separator else (value,)
        if not any(hmac.compare_digest(expected, item) for item in items if item.isascii()) and separator is None:
            raise ValueError

    return check


def main() -> None:
    """Print the tables."""
    if "--every" in sys.argv[1:]:
        every()
        return
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
