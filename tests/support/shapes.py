"""One preset for each shape that a signature or a token takes most often. Every preset there is: see ``tests/presets``."""

__all__ = ["SHAPES", "SIGNED"]

#: Signed with a shared secret over the whole body.
SIGNED = (
    "convoy",
    "convoy-advanced",
    "github",
    "gitlab",
    "hookdeck",
    "paddle",
    "razorpay",
    "shopify",
    "slack",
    "standard-webhooks",
    "stripe",
    "svix",
)
SHAPES = (*SIGNED, "gitlab-token")
