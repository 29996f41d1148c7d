"""A secret for each preset, in the shape its provider shows it: one side signs, the other verifies.

They are the same wherever a provider signs with a shared secret, which is nearly everywhere.
"""

from collections.abc import Callable

from scheme_keys import rsa_pair

from hookguard import Preset, Secret

#: Bytes are the key itself, however a provider shows it; these also make a text, and a user and a password.
KEY = Secret.exact(b"example:0123456789abcdef01234567")

#: Presets whose secret is not one key of bytes.
SHARED: dict[str, Secret | str] = {}
#: Presets whose provider signs with a private key: what makes it and what it is checked with.
PAIRS: dict[str, Callable[[], tuple[Secret | str, Secret | str]]] = {
    "alipay": rsa_pair,
    "wise": rsa_pair,
}


def public_side(preset: Preset) -> Secret | str:
    """What an endpoint is configured with."""
    if preset.name in PAIRS:
        return PAIRS[preset.name]()[1]
    return SHARED.get(preset.name, KEY)


def private_side(preset: Preset) -> Secret | str:
    """What the provider signs with."""
    if preset.name in PAIRS:
        return PAIRS[preset.name]()[0]
    return SHARED.get(preset.name, KEY)
