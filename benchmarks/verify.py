"""The cost of verifying, against the check one writes by hand and against the providers' own SDKs.

    python benchmarks/verify.py [--every [--show]]

The floor is the hand-written check: hmac.digest, compare_digest and the same reading of the header, with a plain dict of
lower-case headers (nothing can look a header up faster). Ours returns a typed Event.

--every takes every preset that is an HMAC over a template, at 2 KiB. Its floor is written out for each preset as one would
write it in a view (--every --show prints them): it knows which headers to look up, how their values are split, what is signed
and in which unit the time is, but it reads all of it from the delivery; where the time is in the body, it parses the body.

The last tables say what a rejection costs. A header that is missing, repeated, too long or cannot be read is rejected before a
byte of the body is hashed. A stale delivery is not among them: a timestamp means nothing before the signature over it was
checked, so a delivery is called stale only when it is genuine, and costs what a genuine one costs. Nor is a wrong signature
in a header that is compared whole: whether it is a well-written one is only asked once it did not match.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import statistics
import sys
import time
from datetime import datetime

from rounds import compare, show

from hookguard import Delivery, Headers, Rejected, Secret, Verifier, presets
from hookguard.place import InBody
from hookguard.schemes.hmac import HmacScheme
from hookguard.schemes.timestamp import write_timestamp

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
#: The providers that the goals are set for.
PROVIDERS = ("github", "stripe", "slack", "standard-webhooks")


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

    elif provider == "slack":
        key = SECRET.encode()

        def check():
            stamp = headers["x-slack-request-timestamp"]
            if abs(now() - int(stamp)) > 300:
                raise ValueError
            expected = "v0=" + hmac.digest(key, b"v0:" + stamp.encode() + b":" + body, "sha256").hex()
            if not hmac.compare_digest(expected, headers["x-slack-signature"]):
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
        if provider == "slack":
            from slack_sdk.signature import SignatureVerifier

            valid = SignatureVerifier(SECRET).is_valid
            return lambda: valid(body, headers["x-slack-request-timestamp"], headers["x-slack-signature"])
        if provider == "standard-webhooks":
            from standardwebhooks import Webhook

            webhook = Webhook(SECRET)
            return lambda: webhook.verify(body, headers)
        from gidgethub.sansio import validate_event

        return lambda: validate_event(body, signature=headers["x-hub-signature-256"], secret=SECRET)
    except ImportError:
        return None


def every(*, shown: bool) -> None:
    """Print a row for each preset that is an HMAC over a template, and what they come to together."""
    key = bytes(range(1, 33))
    ratios = {}
    print(f"{'preset':<24} {'floor us':>9} {'ours us':>9} {'ratio':>7}")
    for preset in presets.BUILT_IN:
        scheme = preset.scheme
        if type(scheme) is not HmacScheme or "{secret}" in scheme.signed:
            continue
        body = timed_body(scheme) if isinstance(scheme.timestamp, InBody) else body_of(2048)
        url = "https://example.com/hooks" if "url" in scheme.covers else ""
        extra = {name[7:]: "value" for name in re.findall(r"\{(header:[^}]*)\}", scheme.signed)}
        delivery = preset.sign(body, Secret.exact(key), id="msg_1", type="push", url=url, headers={**HEADERS, **extra})
        verifier = Verifier(preset, Secret.exact(key))
        source = written_by_hand(preset)
        if shown:
            print(f"\n# {preset.name}\n{source}")
        floor = made(source, delivery, key)
        accepts(floor, made(source, delivery._replace(body=body[:-2] + b" }"), key))
        result = compare({"floor": floor, "ours": lambda v=verifier, d=delivery: v.verify(d)})
        ratios[preset.name] = result["ours"][1]
        print(f"{preset.name:<24} {result['floor'][0]:>9.2f} {result['ours'][0]:>9.2f} {result['ours'][1]:>6.2f}x", flush=True)
    worst = max(ratios, key=ratios.__getitem__)
    print(
        f"{len(ratios)} presets: median {statistics.median(ratios.values()):.2f}x,"
        f" 90th percentile {statistics.quantiles(ratios.values(), n=10)[-1]:.2f}x, worst {ratios[worst]:.2f}x ({worst});"
        f" {', '.join(f'{name} {ratios[name]:.2f}x' for name in PROVIDERS)}"
    )


def timed_body(scheme):
    """A JSON text of 2 KiB with the time where the scheme looks for it."""
    value = write_timestamp(time.time(), scheme.timestamp_unit)
    steps = scheme.timestamp.path.split(".")
    value = value if scheme.timestamp_unit == "rfc3339" else int(value)
    for step in reversed(steps):
        value = {step: value}
    start = json.dumps(value)[:-1].encode() + b","
    return start + body_of(2048 - len(start) + 1)[1:]


def accepts(floor, tampered) -> None:
    """Fail unless the hand-written check does check."""
    floor()
    try:
        tampered()
    except ValueError:
        return
    raise AssertionError("the floor lets another body through")


#: The text behind the digest, for each way to write it.
WRITTEN = {
    "hex": "{}.hex()",
    "HEX": "{}.hex().upper()",
    "base64": "base64.b64encode({}).decode()",
    "base64url": "base64.urlsafe_b64encode({}).decode()",
    "base64url-nopad": 'base64.urlsafe_b64encode({}).decode().rstrip("=")',
}
#: The timestamp's text as seconds.
MOMENT = {
    "s": "int(stamp)",
    "ms": "int(stamp) / 1000",
    "s|ms": "int(stamp) / (1000 if len(stamp) > 11 else 1)",
    "rfc3339": 'datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()',
}


def written_by_hand(preset) -> str:
    """The source of one check of this preset, and of no other."""
    scheme = preset.scheme
    layout = scheme.signature[0].layout
    in_body = isinstance(scheme.timestamp, InBody)
    lines = carried(scheme)
    if scheme.timestamp is not None and not in_body:
        lines.append(f"stamp = headers[{scheme.timestamp.name.lower()!r}]")
    fresh = [f"if abs(now() - {MOMENT[scheme.timestamp_unit]}) > {preset.tolerance}:", "    raise ValueError"]
    if scheme.signs_timestamp and not in_body:
        lines += fresh
    names = {"timestamp": "{stamp}", "url": "{url}", "method": "{method}"}
    for position, name in enumerate(re.findall(r"\{(id|header:[^}]*)\}", scheme.signed)):
        header = scheme.id.name if name == "id" else name.removeprefix("header:")
        lines.append(f"value{position} = headers[{header.lower()!r}]")
        names[name] = f"{{value{position}}}"
    head, found, tail = re.sub(r"\{([^{}]*)\}", lambda match: names.get(match[1], match[0]), scheme.signed).partition("{body}")
    message = [f"f{text!r}.encode()" if "{" in text else f"{text.encode()!r}" for text in (head, tail) if text]
    message.insert(1 if head else 0, "body" if found else "b''")
    digest = f"hmac.digest(key, {' + '.join(message)}, {scheme.digest!r})"
    prefix, encoding = layout.prefix, layout.encoding
    if layout._ignore_case:
        prefix, encoding = prefix.lower(), "hex"
    if layout._optional_prefix or layout._keyed:
        prefix = ""
    lines.append(f"expected = {f'{prefix!r} + ' if prefix else ''}{WRITTEN[encoding].format(digest)}")
    if lines[0].startswith("signature ="):
        lines += ["if not hmac.compare_digest(expected, signature):", "    raise ValueError"]
    else:
        lines += ["for signature in signatures:", "    if hmac.compare_digest(expected, signature):", "        break"]
        lines += ["else:", "    raise ValueError"]
    if in_body:
        steps = "".join(f"[{int(step) if step.isdecimal() else step!r}]" for step in scheme.timestamp.path.split("."))
        lines += [f"stamp = str(json.loads(body){steps})", *fresh]
    return "def check():\n" + "".join(f"    {line}\n" for line in lines)


def carried(scheme) -> list[str]:
    """Lines that take the signature headers apart."""
    first, *others = scheme.signature
    layout = first.layout
    value = f"headers[{first.lower!r}]"
    if scheme.any_header:
        value = " or ".join(f"headers.get({header.lower!r})" for header in scheme.signature)
    prefix = layout.prefix.lower() if layout._ignore_case else layout.prefix
    trimmed = ".lower()" if layout._ignore_case else ""
    if layout._optional_prefix:
        trimmed += f".removeprefix({prefix!r})"
    if layout.separator is None:
        if others and not scheme.any_header:
            names = [header.lower for header in scheme.signature]
            return [f"signatures = [headers[name]{trimmed} for name in {names} if name in headers]"]
        return [f"signature = {f'({value})' if scheme.any_header else value}{trimmed}"]
    items = f"{value}.split({layout.separator!r})"
    if layout._keyed:
        return [f"signatures = [item.partition({layout.prefix!r})[2] for item in {items}]"]
    if not layout.has_timestamp:
        return [f"signatures = [item{trimmed} for item in {items}]" if trimmed else f"signatures = {items}"]
    if layout._positional:
        return [f"stamp, *signatures = {items}"]
    key = layout._timestamp_key
    return [
        'stamp, signatures = "", []',
        f"for item in {items}:",
        f"    if item.startswith({key!r}):",
        f"        stamp = item[{len(key)}:]",
        f"    elif item.startswith({layout.prefix!r}):",
        "        signatures.append(item)",
    ]


def made(source, delivery, key):
    """The check of that source, for one delivery."""
    names = {
        "base64": base64,
        "datetime": datetime,
        "hmac": hmac,
        "json": json,
        "now": time.time,
        "key": key,
        "body": delivery.body,
        "headers": dict(delivery.headers.items()),
        "url": delivery.url,
        "method": delivery.method,
    }
    # The delivery is what a function is called with, so its names must not be looked up as a module's are.
    given = ("key", "body", "headers", "url", "method", "now")
    indented = "".join(f"    {line}\n" for line in source.splitlines())
    exec(f"def make({', '.join(given)}):\n{indented}    return check\n", names)
    return names["make"](*(names[name] for name in given))


def rejections() -> None:
    """Print what a rejection costs beside hashing the body that came with it."""
    body = body_of(262_144)
    now = int(time.time())
    long = "a" * 8193
    cases = {
        "github": {
            "no signature header": {},
            "two signature headers": [("X-Hub-Signature-256", "sha256=" + "0" * 64)] * 2,
            "a header of 8,193 characters": {"X-Hub-Signature-256": long},
            "a wrong signature, compared whole: hashed": {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        },
        "stripe": {
            "no signature header": {},
            "no signature in the header": {"Stripe-Signature": f"t={now}"},
            "a timestamp that is not a number": {"Stripe-Signature": f"t=now,v1={'0' * 64}"},
            "a header of 8,192 characters with nothing in it": {"Stripe-Signature": long[1:]},
            "a header of 8,192 characters full of signatures": {"Stripe-Signature": (f"t={now}" + ",v1=0" * 2000)[:8192]},
            "a header of 8,193 characters": {"Stripe-Signature": long},
        },
        "standard-webhooks": {
            "no signature header": {},
            "no timestamp": {"webhook-id": "msg_1", "webhook-signature": "v1," + "A" * 43 + "="},
            "a timestamp that is not a number": {
                "webhook-id": "msg_1",
                "webhook-timestamp": "now",
                "webhook-signature": "v1," + "A" * 43 + "=",
            },
            "no id": {"webhook-timestamp": str(now), "webhook-signature": "v1," + "A" * 43 + "="},
        },
    }
    for provider, headers in cases.items():
        verifier = Verifier(provider, [SECRET])
        candidates = {"sha256 of the body": lambda: hashlib.sha256(body).digest()}
        for name, carried_there in headers.items():
            pairs = list(carried_there.items()) if isinstance(carried_there, dict) else carried_there
            candidates[name] = rejected(verifier, Delivery(body, [*HEADERS.items(), *pairs]))
        show(f"{provider}, {len(body)} bytes, rejected", compare(candidates))


def rejected(verifier, delivery):
    """A call that must be rejected."""

    def call():
        try:
            verifier.verify(delivery)
        except Rejected:
            return
        raise AssertionError("not rejected")

    return call


def main() -> None:
    """Print the tables."""
    if "--every" in sys.argv[1:]:
        every(shown="--show" in sys.argv[1:])
        return
    for provider in PROVIDERS:
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
        plain = dict(presets.GITHUB.sign(body, SECRET, id="1", type="push").headers.items())
        delivery = Delivery(body, Headers(plain))  # as it comes from the network: sign returns headers of another class
        verifier = Verifier("github", ["another-secret-of-32-characters!", SECRET])
        show(
            f"github, {size} bytes, the second of two secrets matches",
            compare(
                {
                    "by hand with the right secret (floor)": by_hand("github", body, plain),
                    "Verifier.verify(delivery)": lambda v=verifier, d=delivery: v.verify(d),
                }
            ),
        )
    rejections()


if __name__ == "__main__":
    main()
