"""A secret for each preset, in the shape its provider shows it: one side signs, the other verifies.

They are the same wherever a provider signs with a shared secret, which is nearly everywhere.
"""

from collections.abc import Callable

from scheme_keys import app_store_pair, ec_pair, ed25519_pair, rsa_pair

from hookguard import Preset, Secret


def _with_private(field: str, value: str, private: str) -> tuple[Secret, Secret]:
    """For schemes whose key is published: only what signs has the private one."""
    return Secret.of(**{field: value, "private_key": private}), Secret.of(**{field: value})


def _plaid(private: str) -> tuple[Secret, Secret]:
    account = {"client_id": "client", "secret": "0123456789abcdef"}
    return Secret.of(**account, private_key=private, key_id="kid-1"), Secret.of(**account)


def _google(private: str) -> tuple[Secret, Secret]:
    account = {"audience": "https://example.com/hooks", "email": "push@project.iam.gserviceaccount.com"}
    return Secret.of(**account, private_key=private, key_id="kid-1"), Secret.of(**account)


#: Bytes are the key itself, however a provider shows it; these also make a text, and a user and a password.
KEY = Secret.exact(b"example:0123456789abcdef01234567")

#: Presets whose secret is not one key of bytes.
SHARED: dict[str, Secret | str] = {
    "braintree": Secret.of(public_key="a-public-key", private_key="0123456789abcdef"),
    "dingtalk": Secret.of(token="a-token", aes_key="0123456789abcdefghijklmnopqrstuvwxyzABCDEFE", owner_key="ding0123456789"),
    "wecom": Secret.of(token="a-token", aes_key="0123456789abcdefghijklmnopqrstuvwxyzABCDEFE", corp_id="ww0123456789abcdef"),
}
#: Presets whose provider signs with a private key: what makes it and what it is checked with.
PAIRS: dict[str, Callable[[], tuple[Secret | str, Secret | str]]] = {
    "alipay": rsa_pair,
    "app-store": app_store_pair,
    "aws-sns": lambda: _with_private("topic_arn", "arn:aws:sns:us-east-1:123456789012:orders", rsa_pair()[0]),
    "discord": ed25519_pair,
    "discord-events": ed25519_pair,
    "google-pubsub": lambda: _google(rsa_pair()[0]),
    "paypal": lambda: _with_private("webhook_id", "96605875FF6516633", rsa_pair()[0]),
    "sendgrid": ec_pair,
    "standard-webhooks-v1a": ed25519_pair,
    "svix-v1a": ed25519_pair,
    "telnyx": ed25519_pair,
    "plaid": lambda: _plaid(ec_pair()[0]),
    "plaid-sandbox": lambda: _plaid(ec_pair()[0]),
    "travis": lambda: _with_private("owner", "travis-ci", rsa_pair()[0]),
    "truelayer": lambda: _with_private("environment", "sandbox", ec_pair(curve="p521")[0]),
    "wechat-pay": lambda: tuple(
        Secret.of(public_keys={"SERIAL": key}, api_v3_key="0123456789abcdef0123456789abcdef") for key in rsa_pair()
    ),
    "wise": rsa_pair,
}


def public_side(preset: Preset) -> Secret | str:
    """The secret of an endpoint."""
    if preset.name in PAIRS:
        return PAIRS[preset.name]()[1]
    return SHARED.get(preset.name, KEY)


def private_side(preset: Preset) -> Secret | str:
    """The secret that the provider signs with."""
    if preset.name in PAIRS:
        return PAIRS[preset.name]()[0]
    return SHARED.get(preset.name, KEY)
