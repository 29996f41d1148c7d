"""A secret for each preset, in the shape its provider shows it: one side signs, the other verifies.

They are the same wherever a provider signs with a shared secret, which is nearly everywhere.
"""

from hookguard import Preset, Secret

KEY = Secret.exact(bytes(range(1, 33)))

#: Presets whose secret is not one key of bytes.
SHARED: dict[str, Secret | str] = {}


def public_side(preset: Preset) -> Secret | str:
    """What an endpoint is configured with."""
    return SHARED.get(preset.name, KEY)


def private_side(preset: Preset) -> Secret | str:
    """What the provider signs with."""
    return SHARED.get(preset.name, KEY)
