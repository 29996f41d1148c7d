import pickle
import traceback

import pytest

from hookguard import ConfigurationError, Delivery
from hookguard.autopsy.unknown.carried import Carried
from hookguard.autopsy.unknown.trials import KeyRead
from hookguard.challenge import FetchFirst, SecretOffer
from hookguard.evidence.contract import KeptBody
from hookguard.keys import Wanted
from hookguard.page.opened import OpenedEntry
from hookguard.record import hides_arguments
from hookguard.reply import Reply
from hookguard.schemes.base import Draft, Key
from hookguard.secret import Secret
from hookguard.store import Claim, ClaimStatus

S3CRET = "s3cret-s3cret-s3cret"

RECORDS = [
    Delivery(S3CRET.encode(), {"X-Token": S3CRET}, url=f"/?code={S3CRET}"),
    Draft(S3CRET.encode(), {"X-Token": S3CRET}, url=f"/?code={S3CRET}"),
    Key("#1", Secret(S3CRET), S3CRET.encode()),
    Reply(200, (("X-Hook-Secret", S3CRET),), S3CRET.encode()),
    SecretOffer(S3CRET, Reply(200)),
    FetchFirst(Wanted("https://keys.example/", "a", lambda content, now: {}, body=S3CRET.encode()), Reply(200)),
    Claim(ClaimStatus.DONE, reply=S3CRET.encode()),
    KeptBody(S3CRET.encode(), S3CRET),
    KeyRead("", Secret(S3CRET), "text", S3CRET.encode()),
    Carried("X-Sig", "{hex}", None, "sha256", frozenset([S3CRET.encode()])),
    OpenedEntry([("Body", S3CRET)]),
]
EVERY = pytest.mark.parametrize("record", RECORDS, ids=[type(record).__name__ for record in RECORDS])


@EVERY
def test_a_record_is_not_a_sequence_and_its_repr_hides_secrets(record):
    with pytest.raises(TypeError):
        iter(record)
    assert not hasattr(record, "__dict__")
    assert S3CRET not in repr(record)


@EVERY
def test_a_record_is_frozen(record):
    with pytest.raises(AttributeError):
        setattr(record, next(iter(record.__dataclass_fields__)), None)


def test_a_record_is_copied_with_other_values():
    delivery = Delivery(b"1", {"A": "b"}, "GET", "/x", "192.0.2.1", True)
    changed = delivery._replace(body=b"2", headers={"C": "d"})
    assert (changed.body, changed.headers["c"], changed.method, changed.url, changed.remote, changed.secure) == (
        b"2", "d", "GET", "/x", "192.0.2.1", True
    )  # fmt: skip
    assert changed != delivery == delivery._replace()


def test_a_delivery_is_pickled_whole():
    delivery = Delivery(b"1", [("A", "b"), ("A", "c")], "GET", "/x", "192.0.2.1", True)
    assert pickle.loads(pickle.dumps(delivery)) == delivery


def test_a_function_that_hides_its_arguments_is_in_no_traceback():
    @hides_arguments
    def configure(secret):
        raise ConfigurationError("it is wrong")

    with pytest.raises(ConfigurationError) as raised:
        configure(S3CRET)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    assert names == ["test_a_function_that_hides_its_arguments_is_in_no_traceback", "called"]
    assert all("args" not in frame.f_locals for frame, _ in list(traceback.walk_tb(raised.value.__traceback__))[1:])


def test_a_function_that_hides_its_arguments_lets_other_errors_pass_as_they_are():
    @hides_arguments
    def fails(secret):
        raise KeyError(secret)

    with pytest.raises(KeyError):
        fails("a")
