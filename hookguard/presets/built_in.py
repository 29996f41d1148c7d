"""The built-in presets: the file of each, and loading one when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookguard.preset import Preset

__all__ = ["CONSTANTS", "FILES", "load"]

#: The constants of each file. A preset's name is its constant in lower case with hyphens: ``standard-webhooks`` is
#: ``STANDARD_WEBHOOKS``.
FILES: dict[str, tuple[str, ...]] = {
    "adyen": ("ADYEN",),
    "adyen_platform": ("ADYEN_PLATFORM",),
    "airtable": ("AIRTABLE",),
    "alipay": ("ALIPAY",),
    "anthropic": ("ANTHROPIC",),
    "app_store": ("APP_STORE",),
    "asana": ("ASANA",),
    "authorize_net": ("AUTHORIZE_NET",),
    "aws_sns": ("AWS_SNS",),
    "bitbucket": ("BITBUCKET", "BITBUCKET_SERVER"),
    "box": ("BOX",),
    "braintree": ("BRAINTREE",),
    "buildkite": ("BUILDKITE", "BUILDKITE_TOKEN"),
    "calendly": ("CALENDLY",),
    "cashfree": ("CASHFREE",),
    "chargebee": ("CHARGEBEE",),
    "checkout_com": ("CHECKOUT_COM",),
    "circleci": ("CIRCLECI",),
    "clerk": ("CLERK",),
    "cloudinary": ("CLOUDINARY",),
    "coinbase_cdp": ("COINBASE_CDP",),
    "coinbase_commerce": ("COINBASE_COMMERCE",),
    "contentful": ("CONTENTFUL",),
    "convoy": ("CONVOY", "CONVOY_ADVANCED"),
    "dingtalk": ("DINGTALK",),
    "dingtalk_robot": ("DINGTALK_ROBOT",),
    "discord": ("DISCORD", "DISCORD_EVENTS"),
    "docusign": ("DOCUSIGN",),
    "dropbox": ("DROPBOX",),
    "elevenlabs": ("ELEVENLABS",),
    "event_grid": ("EVENT_GRID",),
    "figma": ("FIGMA",),
    "flutterwave": ("FLUTTERWAVE", "FLUTTERWAVE_V3"),
    "forgejo": ("FORGEJO",),
    "gitea": ("GITEA",),
    "gitee": ("GITEE", "GITEE_PASSWORD"),
    "github": ("GITHUB",),
    "gitlab": ("GITLAB", "GITLAB_TOKEN"),
    "gocardless": ("GOCARDLESS",),
    "gogs": ("GOGS",),
    "google_pubsub": ("GOOGLE_PUBSUB",),
    "grafana": ("GRAFANA",),
    "heroku": ("HEROKU",),
    "hookdeck": ("HOOKDECK",),
    "hubspot": ("HUBSPOT", "HUBSPOT_V1", "HUBSPOT_V2"),
    "increase": ("INCREASE", "INCREASE_OLDER"),
    "intercom": ("INTERCOM",),
    "jira": ("JIRA",),
    "klarna": ("KLARNA",),
    "lark": ("LARK", "LARK_TOKEN"),
    "lemon_squeezy": ("LEMON_SQUEEZY",),
    "line": ("LINE",),
    "linear": ("LINEAR",),
    "lithic": ("LITHIC",),
    "mailersend": ("MAILERSEND",),
    "mailgun": ("MAILGUN",),
    "mandrill": ("MANDRILL",),
    "mercado_pago": ("MERCADO_PAGO",),
    "messagebird": ("MESSAGEBIRD",),
    "meta": ("MESSENGER", "META", "WHATSAPP"),
    "microsoft_graph": ("MICROSOFT_GRAPH",),
    "modern_treasury": ("MODERN_TREASURY",),
    "mollie": ("MOLLIE",),
    "monday": ("MONDAY",),
    "netlify": ("NETLIFY",),
    "notion": ("NOTION",),
    "okta": ("OKTA",),
    "openai": ("OPENAI",),
    "paddle": ("PADDLE",),
    "pagerduty": ("PAGERDUTY",),
    "paypal": ("PAYPAL",),
    "paystack": ("PAYSTACK",),
    "paytm": ("PAYTM",),
    "plaid": ("PLAID", "PLAID_SANDBOX"),
    "plivo": ("PLIVO",),
    "polar": ("POLAR",),
    "postmark": ("POSTMARK",),
    "pusher": ("PUSHER",),
    "qstash": ("QSTASH",),
    "razorpay": ("RAZORPAY",),
    "recurly": ("RECURLY",),
    "resend": ("RESEND",),
    "sanity": ("SANITY",),
    "sendgrid": ("SENDGRID",),
    "sentry": ("SENTRY",),
    "shopify": ("SHOPIFY",),
    "signed_url": ("SIGNED_URL",),
    "slack": ("SLACK",),
    "square": ("SQUARE",),
    "standard_webhooks": ("STANDARD_WEBHOOKS", "STANDARD_WEBHOOKS_V1A", "SVIX", "SVIX_V1A"),
    "stripe": ("STRIPE",),
    "telegram": ("TELEGRAM",),
    "telnyx": ("TELNYX",),
    "travis": ("TRAVIS",),
    "trello": ("TRELLO",),
    "truelayer": ("TRUELAYER",),
    "twilio": ("TWILIO",),
    "twitch": ("TWITCH",),
    "typeform": ("TYPEFORM",),
    "vercel": ("VERCEL",),
    "viber": ("VIBER",),
    "vonage": ("VONAGE",),
    "webflow": ("WEBFLOW",),
    "wechat_pay": ("WECHAT_PAY",),
    "wecom": ("WECOM",),
    "wise": ("WISE",),
    "woocommerce": ("WOOCOMMERCE",),
    "workos": ("WORKOS",),
    "worldpay": ("WORLDPAY",),
    "xendit": ("XENDIT",),
    "zendesk": ("ZENDESK",),
    "zoom": ("ZOOM",),
}

#: The constant of each preset's name.
CONSTANTS = {constant.lower().replace("_", "-"): constant for constants in FILES.values() for constant in constants}

_FILE_OF = {constant: file for file, constants in FILES.items() for constant in constants}


def load(constant: str) -> Preset:
    """Return the preset of that constant; KeyError if the constant is unknown."""
    preset: Preset = getattr(import_module(f"hookguard.presets.{_FILE_OF[constant]}"), constant)
    return preset
