"""The base of every judge: an SDK that its provider publishes, and its verdict on a delivery."""

import importlib
import json
import os
import time
import warnings
from functools import cache
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import strategies as st

from hookguard import Delivery, Preset, Verifier, errors

SECRET = "a-secret-that-is-long-enough"
URL = "https://example.com/hooks/one?tenant=7"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)
#: Characters that UTF-8 can write: several SDKs read the body as text.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
DOCUMENTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-(10**9), 10**9), st.booleans(), st.none()), max_size=4)


def as_json(document, *, ascii_only: bool = False) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only).encode()


JSON_BODIES = DOCUMENTS.map(as_json)
TEXT_BODIES = st.one_of(JSON_BODIES, TEXTS.map(str.encode))
BODIES = st.one_of(TEXT_BODIES, st.binary(max_size=200))


def holding(**fields):
    """JSON bodies with what an SDK looks for after it has verified."""
    return DOCUMENTS.map(lambda document: as_json({**document, **fields}))


def sdk(module: str):
    """The module of an SDK: a missing one is skipped aloud, or fails where every judge is required."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        if os.environ.get("HOOKGUARD_JUDGES") == "required":
            pytest.fail(f"{module} cannot be imported ({error}): pip install -e '.[judges]'", pytrace=False)
        pytest.skip(f"the SDK {module} is not installed: pip install -e '.[judges]'")


class Judge:
    """One SDK for one preset: how it verifies a delivery, and how it signs one if it can."""

    package: str  #: as PyPI calls it
    modules: tuple[str, ...]  #: what is imported of it
    preset: Preset
    secret: object = SECRET
    signing: object = None  #: what the provider signs with, where that is another key
    bodies = TEXT_BODIES
    body = b'{"id":"evt_1","type":"thing.happened"}'  #: an honest one, for the changes
    carried = JSON  #: headers besides the signed ones
    url = URL
    signs = False  #: whether the SDK signs too
    signed_in = ""  #: the field of the body that holds the signature, where no header does
    official = True

    @classmethod
    def ours(cls, body=None, *, off: float = 0, event_id: str = "msg_1") -> Delivery:
        """The delivery that we sign."""
        return cls.preset.sign(
            cls.body if body is None else body,
            cls.signing or cls.secret,
            id=event_id,
            type="t",
            timestamp=int(time.time()) + off,
            url=cls.url,
            headers=cls.carried,
        )

    @classmethod
    def theirs(cls, body: bytes, stamp: int, event_id: str) -> Delivery:
        """The delivery that the SDK signs."""
        raise NotImplementedError

    @classmethod
    def check(cls, delivery: Delivery) -> object:
        """Ask the SDK; False, None for an answer that was asked for, or an exception of whatever kind rejects."""
        raise NotImplementedError

    @classmethod
    def found(cls) -> object:
        """The provider's published key."""
        return None

    @classmethod
    def load(cls):
        for module in cls.modules:
            sdk(module)

    @classmethod
    def accepts(cls, delivery: Delivery) -> bool:
        cls.load()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return cls.check(delivery) is not False
        except Exception:
            return False  # whatever it stops with: what is not verified is rejected

    @classmethod
    def we_say(cls, delivery: Delivery) -> str:
        """The name of our error, or nothing when we accept."""
        verifier = _verifier(cls)
        try:
            wanted = verifier.wants(delivery)
            verifier.verify(delivery, found=cls.found() if wanted is not None else None)
        except errors.Rejected as error:
            return type(error).__name__
        return ""


#: Seconds that a package allows, where the preset's tolerance covers the provider's retries: not what is compared here.
TOLERANCES = {
    **dict.fromkeys(("Anthropic", "DiscordEvents", "GitLab", "HubSpot", "Increase", "Lark", "Lithic", "MessageBird"), 300),
    **dict.fromkeys(("OpenAI", "Paddle", "QStash", "Slack", "Stripe", "Telnyx", "Vonage", "WorkOS"), 300),
    "Box": 600,
    "ElevenLabs": 1800,
}


@cache
def _verifier(judge) -> Verifier:
    tolerance = TOLERANCES.get(judge.__name__)
    return Verifier(judge.preset, judge.secret, **({} if tolerance is None else {"tolerance": tolerance}))


def plain(delivery: Delivery) -> dict[str, str]:
    """Header values by name in lower case: the first where one came twice, as most frameworks give it."""
    return {name: delivery.headers[name] for name in delivery.headers}


def titled(delivery: Delivery) -> dict[str, str]:
    """Likewise, with names as Python's frameworks spell them."""
    return {name.title(): value for name, value in plain(delivery).items()}


def form(delivery: Delivery) -> dict[str, str]:
    return dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))


def write_form(fields) -> bytes:
    return urlencode(fields).encode()
