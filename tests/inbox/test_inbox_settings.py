"""The settings of an inbox, and the sentence for each mistake."""

import pytest

from hookguard import ConfigurationError, InBody
from hookguard.inbox.schedule import Schedule
from hookguard.inbox.settings import InboxSettings


def test_one_word_turns_it_on_with_the_defaults():
    assert InboxSettings.of(True) == InboxSettings(
        tries=24, first=5.0, longest_wait=21_600.0, keep=86_400.0, keep_dead=2_592_000.0, keep_headers=()
    )
    assert InboxSettings.of(False) is None
    assert InboxSettings.of(None) is None
    assert InboxSettings.of(given := InboxSettings(tries=2)) is given


def test_a_mapping_is_read_with_keys_in_any_case():
    read = InboxSettings.of({"TRIES": 3, "first": 1, "Keep": 0, "ORDER_BY": InBody("a"), "keep_headers": ["X-Request-Id"]})
    assert read == InboxSettings(tries=3, first=1.0, keep=0.0, order_by=InBody("a"), keep_headers=("x-request-id",))
    assert read.schedule == Schedule(3, 1.0, 21_600.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("yes", "inbox is 'yes'; choose True, False, or give a mapping"),
        (1, "inbox is 1; choose True"),
        ({"trys": 3}, "unknown setting 'trys'; did you mean 'tries'"),
        ({"pause": 3}, "unknown setting 'pause'; the settings are tries, first, longest_wait"),
        ({"tries": 0}, "tries is 0; give a number of attempts, 1 or more"),
        ({"tries": True}, "tries is True"),
        ({"tries": 1.5}, "tries is 1.5"),
        ({"first": 0}, "first is 0; give seconds, more than 0"),
        ({"longest_wait": -1}, "longest_wait is -1; give seconds, more than 0"),
        ({"keep": -1}, "keep is -1; give seconds, 0 or more"),
        ({"keep": float("nan")}, "keep is nan"),
        ({"keep_dead": "1d"}, "keep_dead is '1d'"),
        ({"hide": "/card"}, "hide is '/card'; give a list of JSON pointers"),
        ({"hide": ["card"]}, "'card' is not a JSON pointer: begin with a slash"),
        ({"hide": [1]}, "hide: 1 is not a JSON pointer"),
        ({"hide": None}, "hide is None; give a list"),
        ({"first": 60, "longest_wait": 30}, "first is 60 s and longest_wait is 30 s"),
        ({"order_by": "data.customer"}, "order_by is 'data.customer': give its place with InHeader"),
        ({"keep_headers": "x-request-id"}, "keep_headers is 'x-request-id'; give a list"),
        ({"keep_headers": ["x request"]}, "'x request' is not a header name"),
        ({"keep_headers": [""]}, "'' is not a header name"),
        ({"keep_headers": ["Authorization"]}, "'Authorization' may hold a password or a session"),
        ({"keep_headers": ["cookie"]}, "'cookie' may hold"),
        ({"hand_off": 3}, "hand_off is int: give a function that takes the entry's key, such as run_webhook.delay"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(given, says):
    with pytest.raises(ConfigurationError) as caught:
        InboxSettings.of(given)
    assert says in str(caught.value)
    assert str(caught.value).startswith("inbox")
