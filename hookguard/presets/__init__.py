"""Ready presets, one provider a file, and the registry of names."""

from hookguard.presets.convoy import CONVOY, CONVOY_ADVANCED
from hookguard.presets.generic import generic_hmac
from hookguard.presets.github import GITHUB
from hookguard.presets.gitlab import GITLAB, GITLAB_TOKEN
from hookguard.presets.hookdeck import HOOKDECK
from hookguard.presets.paddle import PADDLE
from hookguard.presets.razorpay import RAZORPAY
from hookguard.presets.shopify import SHOPIFY
from hookguard.presets.signed_url import SIGNED_URL
from hookguard.presets.slack import SLACK
from hookguard.presets.standard_webhooks import STANDARD_WEBHOOKS, SVIX
from hookguard.presets.stripe import STRIPE
from hookguard.registry import get, names, register

__all__ = [
    "BUILT_IN",
    "CONVOY",
    "CONVOY_ADVANCED",
    "GITHUB",
    "GITLAB",
    "GITLAB_TOKEN",
    "HOOKDECK",
    "PADDLE",
    "RAZORPAY",
    "SHOPIFY",
    "SIGNED_URL",
    "SLACK",
    "STANDARD_WEBHOOKS",
    "STRIPE",
    "SVIX",
    "generic_hmac",
    "get",
    "names",
    "register",
]

#: Every preset that ships.
BUILT_IN = (
    CONVOY,
    CONVOY_ADVANCED,
    GITHUB,
    GITLAB,
    GITLAB_TOKEN,
    HOOKDECK,
    PADDLE,
    RAZORPAY,
    SHOPIFY,
    SIGNED_URL,
    SLACK,
    STANDARD_WEBHOOKS,
    STRIPE,
    SVIX,
)

for _preset in BUILT_IN:
    register(_preset)
