"""Slips in place of a secret are rejected; secrets of providers and generators are accepted."""

import base64
import random
import string

import pytest

from hookguard import ConfigurationError, MemoryStore, Secret, Tenant, Verifier, presets
from hookguard.config import Settings
from hookguard.privacy.secret_mistakes import find_secret_mistake

GOOD = "a-secret-that-is-long-enough"
PATHS = [
    "shop.hooks.secrets_of",
    "os.path.join",
    "no_such_project.hooks.find",
    "myproject.tenants.TenantSecrets.for_request",
    "shop.v2.hooks.SecretsOfV2",
    "hookguard.presets.STRIPE",
    "shop.hooks:secrets_of",
    "läden.hooks.secrets",
    "x509v3.sha256.b64url.aes128.lookup",
    ".hooks.secrets_of",
    "..shop.hooks.secrets_of",
    "shop.hooks.secrets_of()",
    "shop.hooks.Secrets().of",
    "lookup:shop.hooks.secrets_of",
    "lookup = shop.hooks.secrets_of",
    "shop.hooks.secrets_of.",
]


def settings_for(secrets, preset="github"):
    return Settings({"endpoints": {preset: {"secrets": secrets}}}, where="HOOKS", default_store=MemoryStore)


@pytest.mark.parametrize("path", PATHS)
def test_a_dotted_path_is_rejected_wherever_a_secret_is_given(path):
    ways = [
        lambda: Secret(path),
        lambda: Secret(path, name="new"),
        lambda: Verifier("stripe", path),
        lambda: Verifier("stripe", [GOOD, path]),
        lambda: Verifier("github", Secret.of(secret=path)),
        lambda: Verifier("meta", Secret.of(app_secret=path)),
        lambda: Verifier("meta", Secret.of(app_secret=GOOD, verify_token=path)),
        lambda: Verifier("lark", f'{{"encrypt_key": "{GOOD}", "verification_token": "{path}"}}'),
        lambda: Verifier("github", lambda *_: None).for_tenant(Tenant("a", [path])),
        lambda: presets.STRIPE.sign(b"{}", path),
        lambda: settings_for(path),
        lambda: settings_for([path]),
        lambda: settings_for([GOOD, {"value": path}]),
        lambda: settings_for({"app_secret": path}, "meta"),
        lambda: Settings(
            {"endpoints": {"stripe": {"secrets": GOOD, "behind": "hookdeck", "gateway_secrets": path}}},
            where="HOOKS",
            default_store=MemoryStore,
        ),
    ]
    for way in ways:
        with pytest.raises(ConfigurationError) as raised:
            way()
        assert '{"lookup": "…"}' in str(raised.value)
        assert path not in str(raised.value), "it may be the real secret"


def test_a_secret_that_looks_like_a_path_is_taken_as_bytes():
    assert Verifier("stripe", Secret.exact(b"shop.hooks.secrets_of")).keys()
    assert Verifier("stripe", b"shop.hooks.secrets_of").keys()


def test_a_field_that_only_names_something_may_have_dots():
    assert Verifier("app-store", Secret.of(bundle_id="com.example.shop", environment="Sandbox")).keys()
    assert Verifier("travis", Secret.of(owner="acme.group")).keys()
    audience = Secret.of(audience="com.example.push", email="push@project.iam.gserviceaccount.com")
    assert Verifier("google-pubsub", audience).keys()


@pytest.mark.parametrize(
    "text",
    [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf09kqeF8tAmbihYzrnopKc1s5cr",
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "user.name@example.com:a-password",
        "It's a Secret to Everybody",
        "webhook:correct.horse",
        "hook-user:correct_horse_battery",
        "1a.2b.3c.4d.5e.6f.7a.8b",
        "whsec_abcdefghijklmnop",
        "your_secret_key_here",
        "arn:aws:sns:us-east-1:123456789012:orders",
        "a_b_c_d_e_f_g_h",
        "AB12_CD34_EF56",
        "secretly/slashed/words",
        "its(a secret)with[brackets]",
        "!important secrets are long",
        "/slashes/at-the-beginning",
        "what\u2019s in a name\u2019",
    ],
)
def test_a_real_secret_with_dots_is_taken(text):
    assert find_secret_mistake(text) is None


def test_random_secrets_are_hardly_ever_rejected():
    dice = random.Random(8)
    alphabets = {
        "url": string.ascii_letters + string.digits + "-_",
        "base64": string.ascii_letters + string.digits + "+/",
        "letters and digits": string.ascii_letters + string.digits,
        "punctuation": string.ascii_letters + string.digits + string.punctuation,
    }
    for name, alphabet in alphabets.items():
        rejected = sum(find_secret_mistake("".join(dice.choices(alphabet, k=32))) is not None for _ in range(5_000))
        assert rejected < 15, name
    tokens = (".".join(base64.urlsafe_b64encode(dice.randbytes(n)).decode().rstrip("=") for n in (16, 33)) for _ in range(5_000))
    assert sum(find_secret_mistake(token) is not None for token in tokens) < 15


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"a-secret-in-quotation-marks"', "quotation marks"),
        ("'a-secret-in-quotation-marks'", "quotation marks"),
        ("\u201ca-secret-that-a-text-processor-quoted\u201d", "quotation marks"),
        ("\u201ea-secret-that-a-text-processor-quoted\u201c", "quotation marks"),
        ("\u00aba-secret-that-a-text-processor-quoted\u00bb", "quotation marks"),
        ("#{STRIPE_SECRET}", "placeholder"),
        ("[STRIPE SECRET]", "placeholder"),
        ("TODO: the secret of the endpoint", "placeholder"),
        ("changeme", "placeholder"),
        ("change-me-please", "placeholder"),
        ("whsec_CHANGE_ME_IN_PRODUCTION", "placeholder"),
        ("replace-with-your-key", "placeholder"),
        ("<your signing secret>", "placeholder"),
        ("${STRIPE_SECRET}", "placeholder"),
        ("$STRIPE_SECRET", "placeholder"),
        ("{{ stripe_secret }}", "placeholder"),
        ("undefined", "placeholder"),
        ("whsec_••••••••••••", "masked"),
        ("whsec_…", "masked"),
        ("whsec_...wxyz", "masked"),
        ("************wxyz", "masked"),
        ("whsec_xxxxxxxxxxxxxxxx", "masked"),
        ('{"lookup": "shop.hooks.secrets_of"}', "a lookup written as text"),
        ("{'LOOKUP': 'shop.hooks.secrets_of'}", "a lookup written as text"),
        ("env:STRIPE_SECRET", "names a place"),
        ("os.environ['STRIPE_SECRET']", "names a place"),
        ('os.getenv("STRIPE_SECRET")', "names a place"),
        ("%(STRIPE_SECRET)s", "names a place"),
        ("/run/secrets/stripe", "names a place"),
        ("file:///run/secrets/stripe", "names a place"),
        ("op://vault/stripe/secret", "names a place"),
        ("vault:secret/data/stripe#key", "names a place"),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe", "names a place"),
        ("config('STRIPE_SECRET')", "names a place"),
        ('settings.get("STRIPE_SECRET")', "names a place"),
        ("ENV['STRIPE_SECRET']", "names a place"),
        ("!ENV STRIPE_SECRET", "names a place"),
        ("@/run/secrets/stripe", "names a place"),
        ("./secrets/stripe.txt", "names a place"),
        ("~/secrets/stripe", "names a place"),
        ("shop/hooks.py:secrets_of", "names a place"),
        ("keyring:shop/stripe", "names a place"),
        ("aws-ssm:/shop/stripe", "names a place"),
        ("projects/shop/secrets/stripe/versions/latest", "names a place"),
    ],
)
def test_quotation_marks_and_placeholders_are_rejected(text, why):
    for way in (lambda: Secret(text), lambda: settings_for([text]), lambda: Verifier("meta", Secret.of(app_secret=text))):
        with pytest.raises(ConfigurationError, match=why):
            way()


@pytest.mark.parametrize(
    "text", ["your_secret_key_here", "your-webhook-secret", "whsec_your_signing_secret", "YOUR_TOKEN", "STRIPE_WEBHOOK_SECRET"]
)
def test_settings_reject_what_manuals_print_for_a_secret(text):
    for secrets in (text, [text], {"value": text}):
        with pytest.raises(ConfigurationError, match="placeholder from a manual"):
            settings_for(secrets)


@pytest.mark.parametrize("value", [1234567890123456, 1.5, True])
def test_a_number_is_rejected_with_a_sentence(value):
    ways = [
        lambda: Secret(value),
        lambda: Verifier("github", value),
        lambda: Verifier("github", [value]),
        lambda: settings_for(value),
        lambda: settings_for([value]),
        lambda: settings_for({"value": value}),
        lambda: Secret.of(secret=value),
    ]
    for way in ways:
        with pytest.raises(ConfigurationError, match="must be text or bytes, not .*: put quotation marks around it"):
            way()


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({"lookup": "os.name"}, "lookup: 'os.name' is str, not a function"),
        ({"lookup": ["a"]}, "lookup: .* is list, not a function"),
        ([{"lookup": "os.getenv"}], "must not be in a list"),
        ([print], "given alone, in place of the list"),
        (object(), "not object"),
    ],
)
def test_a_lookup_is_a_function_and_stands_alone(secrets, why):
    with pytest.raises(ConfigurationError, match=why):
        settings_for(secrets)


def test_a_verifier_does_not_take_settings_for_secrets():
    with pytest.raises(ConfigurationError, match=r"not dict: several values .* Secret.of"):
        Verifier("stripe", {"lookup": "shop.hooks.secrets_of"})
