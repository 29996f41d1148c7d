"""Where an SDK and hookguard differ, by judge, place and change (see changes.py), each with its reason.

A test holds the lists to what is found: no difference that is not named, and none named that is not there.
"""


def _because(why: str, *changes: str) -> dict[str, str]:
    return dict.fromkeys(changes, why)


_TWICE = _because(
    "which of two headers was checked must never depend on who looks: they look at the first", "twice in the request"
)
_MANY = _because("each signature costs a comparison, and nobody rotates sixteen secrets", "sixteen bad ones before")
_STRAY = _because("one signature has one spelling; the provider never sends another", "stray bits at the end")
_SKIPS = "their base64 decoder skips every character that is none; a genuine signature has none"
_AFTER = "their base64 decoder stops at the padding and reads nothing behind it; a genuine signature ends there"
_AHEAD = "they judge no time that is ahead, and a delivery dated ahead could be replayed until then"
_UNTIMED = "they judge no time at all, so that a captured delivery is good for ever"
_NUMBER = "their int() or float() reads it; a timestamp has one spelling"

#: Texts that a lenient base64 decoder accepts.
_LENIENT = {
    **_because(
        _AFTER,
        "twice",
        "a comma behind",
        "a semicolon behind",
        "noise behind",
        "a fraction behind",
        "a NUL behind",
        "padding too many",
        "a further version behind",
        "repeated with a comma",
        "repeated with a space",
    ),
    **_because(_SKIPS, "a comma before", "a space in it", "an underscore in it", "a line break in it"),
    **_STRAY,
}
_FORM_BODY = {
    **_because(
        "the signature is the form's last field, where their base64 decoder skips it", "a line break behind", "a NUL behind"
    ),
    **_because("a field that comes twice has two readings", "twice"),
}
_BYTE_ORDER_MARK = {
    "body": _because("JSON that is sent begins with no byte order mark (RFC 8259 section 8.1)", "a byte order mark before")
}


def _once(*headers: str) -> dict[str, dict[str, str]]:
    return dict.fromkeys(headers, _TWICE)


def _standard(kind: str) -> dict[str, dict[str, str]]:
    """Everything that hands over to the package standardwebhooks."""
    return {
        f"{kind}-id": _TWICE,
        f"{kind}-timestamp": {
            **_because(
                "their float() reads it, and what they check is a timestamp that they have written anew",
                "a zero before",
                "a plus before",
                "a fraction behind",
                "an underscore in it",
                "digits of another script",
            ),
            **_TWICE,
        },
        f"{kind}-signature": {
            **_because(_AFTER, "a semicolon behind", "a fraction behind", "a NUL behind", "padding too many"),
            **_because(_SKIPS, "an underscore in it", "a line break in it"),
            **_STRAY,
            **_MANY,
            **_TWICE,
        },
    }


_MONTH = _because(_UNTIMED, "a month ahead", "a month ago")
_ALL_TIMES = _because(_UNTIMED, "an hour ahead", "a month ahead", "eight minutes ago", "an hour ago", "a month ago")
_DISCORD = {
    "x-signature-timestamp": _TWICE,
    "x-signature-ed25519": {**_because("Discord writes lower case: one signature has one spelling", "upper case"), **_TWICE},
    "time": _ALL_TIMES,
}

#: Deliveries that they accept and we reject.
STRICTER: dict[str, dict[str, dict[str, str]]] = {
    "Stripe": {
        "stripe-signature": {
            **_because(_NUMBER, "an underscore in it"),
            **_because("they split at every equals sign and drop what follows the second", "padding too many"),
            **_because("two timestamps in one header are ambiguous", "repeated with a comma", "repeated with a space"),
            **_MANY,
            **_TWICE,
        },
        "time": _because(_AHEAD, "an hour ahead", "a month ahead"),
    },
    "Square": _once("x-square-hmacsha256-signature"),
    "Adyen": _BYTE_ORDER_MARK,
    "AdyenPlatform": _once("hmacsignature"),
    "Razorpay": _once("x-razorpay-signature"),
    "Paddle": {"paddle-signature": {**_because(_NUMBER, "an underscore in it"), **_TWICE}},
    "Braintree": {"body": _because("a field that comes twice has two readings", "twice")},
    "GoCardless": _once("webhook-signature"),
    "CoinbaseCommerce": _once("x-cc-webhook-signature"),
    "Cashfree": {**_once("x-webhook-timestamp", "x-webhook-signature"), "time": _MONTH},
    "MercadoPago": {
        "x-request-id": {**_because("no header holds a line break", "a line break in it"), **_TWICE},
        "x-signature": {
            **_because("two timestamps in one header are ambiguous", "repeated with a comma", "repeated with a space"),
            **_because("they cut spaces that Mercado Pago does not send", "a space behind its first separator"),
            **_MANY,
            **_TWICE,
        },
        "time": _because(
            "their check reads milliseconds as seconds, so that it cannot be switched on", "a month ahead", "a month ago"
        ),
        "url": _because("no target holds a fragment; some parsers end the URL there and some do not", "a fragment"),
    },
    "Polar": {
        "webhook-id": _TWICE,
        "webhook-timestamp": _standard("webhook")["webhook-timestamp"],
        "webhook-signature": {**_STRAY, **_MANY, **_TWICE},
    },
    "Paytm": {
        "CHECKSUMHASH": _LENIENT,
        "body": {**_FORM_BODY, **_because("a form begins with a name; a blank before it is no part of one", "a space before")},
    },
    "Alipay": {"sign": _LENIENT, "body": _FORM_BODY, "time": _MONTH},
    "ModernTreasury": _once("x-signature"),
    "Increase": _standard("webhook"),
    "Lithic": _standard("webhook"),
    "TrueLayer": {
        "x-tl-webhook-timestamp": _TWICE,
        "tl-signature": {
            **_because(
                _SKIPS,
                "a comma behind",
                "a semicolon behind",
                "a NUL behind",
                "a letter outside ASCII behind",
                "padding too many",
            ),
            **_because("their decoder reads base64 besides base64url", "the other base64"),
            **_TWICE,
        },
        "time": _MONTH,
        "url": _because("no target holds a fragment; some parsers end the URL there and some do not", "a fragment"),
    },
    "AppStore": {**_BYTE_ORDER_MARK, "time": _MONTH},
    "Slack": _once("x-slack-request-timestamp", "x-slack-signature"),
    "Twilio": {
        **_once("x-twilio-signature"),
        "body": _because("a form read into a dictionary keeps one of two values; both are signed", "twice"),
    },
    "TwilioJson": _once("x-twilio-signature"),
    "SendGrid": {
        "x-twilio-email-event-webhook-timestamp": _TWICE,
        "x-twilio-email-event-webhook-signature": {**_LENIENT, **_TWICE},
        "time": _MONTH,
    },
    "Line": _once("x-line-signature"),
    "Mailgun": _BYTE_ORDER_MARK,
    "Telnyx": {"telnyx-timestamp": _TWICE, "telnyx-signature-ed25519": {**_LENIENT, **_TWICE}},
    "Plivo": {
        **_once("x-plivo-signature-v3-nonce", "x-plivo-signature-v3"),
        "body": _because("a form read into a dictionary keeps one of two values; both are signed", "twice"),
        "url": _because("what is behind '#' is not signed as it came, so two URLs would have one signature", "a fragment"),
    },
    "Pusher": _once("x-pusher-signature"),
    "Vonage": {
        "authorization": {**_because("base64url without padding has one spelling", "padding too many"), **_TWICE},
        "body": _because(
            "they check the token alone, and its payload_hash is left to the application",
            "a byte in it",
            "its last byte",
            "a line break behind",
            "a space before",
            "a byte order mark before",
            "a byte outside UTF-8 behind",
            "a NUL behind",
            "nothing",
            "twice",
        ),
        "time": _because(_UNTIMED, "eight minutes ago", "an hour ago", "a month ago"),
    },
    "MessageBird": {
        "messagebird-signature-jwt": {**_because("base64url without padding has one spelling", "padding too many"), **_TWICE}
    },
    "Viber": _once("x-viber-content-signature"),
    "Lark": {**_once("x-lark-request-timestamp", "x-lark-signature"), "time": _ALL_TIMES},
    "Resend": {
        **_once("svix-id", "svix-timestamp"),
        "svix-signature": {
            **_because(
                "they cut the version off and do not look at it, and what another version will sign is not known",
                "its first character",
                "a zero before",
                "a plus before",
                "another version",
            ),
            **_MANY,
            **_TWICE,
        },
    },
    "Discord": _DISCORD,
    "DiscordEvents": _DISCORD,
    "HubSpot": {
        **_once("x-hubspot-request-timestamp", "x-hubspot-signature-v3"),
        "time": _because(_AHEAD, "an hour ahead", "a month ahead"),
    },
    "HubSpotV2": _once("x-hubspot-signature"),
    "HubSpotV1": _once("x-hubspot-signature"),
    "Standard": _standard("webhook"),
    "GitLab": _standard("webhook"),
    "Svix": _standard("svix"),
    "Clerk": _standard("svix"),
    "OpenAI": {
        **_once("webhook-id", "webhook-timestamp"),
        "webhook-signature": {
            **_because("they take a signature without its version too", "a space behind its first separator"),
            **_MANY,
            **_TWICE,
        },
    },
    "Anthropic": _standard("webhook"),
    "GitHub": _once("x-hub-signature-256"),
    "Box": _once("box-delivery-timestamp", "box-signature-primary"),
    "Cloudinary": {**_once("x-cld-timestamp", "x-cld-signature"), "time": _because(_AHEAD, "a month ahead")},
    "WorkOS": {
        "workos-signature": {
            **_because("they cut the keys off and do not look at them", "its first character", "another version"),
            **_TWICE,
        }
    },
    "ElevenLabs": {
        "elevenlabs-signature": {
            **_because("two timestamps in one header are ambiguous", "repeated with a comma", "repeated with a space"),
            **_TWICE,
        },
        "time": _because(_AHEAD, "an hour ahead", "a month ahead"),
    },
    "QStash": {"upstash-signature": {**_because("base64url without padding has one spelling", "padding too many"), **_TWICE}},
    "GooglePubSub": {
        "authorization": {
            **_because(
                "base64url without padding has one spelling, and their decoder reads others",
                "padding too many",
                "stray bits at the end",
                "the other base64",
            ),
            **_TWICE,
        }
    },
}


def _at(why: str, *changes: str) -> dict[str, dict[str, str]]:
    return {"time": _because(why, *changes)}


#: Deliveries that they reject and we accept. The receiver's clock, and what the provider's own packages disagree about; the signature
#: that counts is genuine in each.
LOOSER: dict[str, dict[str, dict[str, str]]] = {
    "Twilio": {"url": _because("Twilio signs the URL without its fragment, as its page says", "a fragment")},
    "MessageBird": _at("PyJWT knows no clock but its own, to the second; the tolerance has two sides", "a minute ahead"),
    "QStash": _at("PyJWT knows no clock but its own, to the second; the tolerance has two sides", "a minute ahead"),
    "Pusher": _at(
        "its package hard-codes five minutes, as long as Pusher goes on trying with the first try's time: the last would be lost",
        "eight minutes ago",
    ),
    "Box": _at(
        "its package takes nothing from a sender whose clock is a second ahead; the tolerance has two sides", "a minute ahead"
    ),
    "Vonage": _at("PyJWT knows no clock but its own, to the second; the tolerance has two sides", "a minute ahead"),
    "Paddle": {
        "paddle-signature": _because(
            "the Python package stops at an item it does not know; Paddle's Node package reads the ones it knows, and a vector"
            " published with it has further ones",
            "twice",
            "a further version behind",
        )
    },
    "Mollie": {
        "x-mollie-signature": _because(
            "Mollie sends the header once for each secret, and whoever passes it on may write several lines as one list (RFC 9110"
            " section 5.3); their package is given them apart",
            "a comma behind",
            "a comma before",
            "a further version behind",
            "repeated with a comma",
        )
    },
}
