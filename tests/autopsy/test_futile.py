"""Hypotheses that cannot match are not checked, and no cause is lost by that."""

import json

import pytest
from samples import NOW, sent_to, usual_body, verifier

from hookguard import presets
from hookguard.autopsy import Known, explain
from hookguard.autopsy.changes import method_and_url
from hookguard.autopsy.futile import other_body_may_fit, other_url_may_fit, signed_part

pytest.importorskip("jwt", reason="some presets need the extra jwt")

URL = "https://example.com/hooks/one?tenant=7"
MESSAGEBIRD = presets.get("messagebird")
OTHER_SECRET = "another secret of 32 characters."


def codes(delivery, secret=None):
    asked = verifier(MESSAGEBIRD, secret=secret)
    return explain(asked, delivery, known=Known(now=NOW)).codes


def may_fit(delivery, secret=None):
    keys = verifier(MESSAGEBIRD, secret=secret).keys()
    return (
        other_body_may_fit(MESSAGEBIRD.scheme, delivery, keys),
        other_url_may_fit(MESSAGEBIRD.scheme, delivery, keys),
    )


def test_no_body_and_no_url_fits_a_token_of_another_key():
    delivery = sent_to(URL, MESSAGEBIRD)
    assert may_fit(delivery, OTHER_SECRET) == (False, False)
    assert codes(delivery, OTHER_SECRET) == ("no_match",)


def test_no_body_and_no_url_fits_a_token_that_nobody_can_read():
    delivery = sent_to(URL, MESSAGEBIRD)
    assert may_fit(delivery._replace(headers=delivery.headers | {"messagebird-signature-jwt": "a.b.c"})) == (False, False)


def test_body_alone_is_searched_if_the_token_fits_otherwise():
    delivery = sent_to(URL, MESSAGEBIRD)
    changed = delivery._replace(body=json.dumps(json.loads(usual_body(MESSAGEBIRD)[0]), indent=2).encode())
    assert may_fit(changed) == (True, False)
    assert codes(changed) == ("body_reserialized",)


def test_url_alone_is_searched_if_the_token_fits_otherwise():
    changed = sent_to(URL, MESSAGEBIRD)._replace(url=f"{URL}&added=1")
    assert may_fit(changed) == (False, True)
    assert codes(changed) == ("url_query",)


def test_url_and_body_are_both_named_if_the_token_fits_neither():
    delivery = sent_to(URL, MESSAGEBIRD)
    changed = delivery._replace(url=URL.replace("one", "one/"), body=delivery.body + b"\n")
    assert may_fit(changed) == (False, False)
    assert set(codes(changed)) == {"url_slash", "body_whitespace_added"}


def test_url_is_searched_for_the_parts_that_are_signed():
    delivery = sent_to(URL, MESSAGEBIRD)

    def found(preset):
        return {each.code for each in method_and_url(delivery, presets.get(preset).scheme, "")}

    assert {"url_host", "url_port", "url_scheme"} <= found("trello")
    assert not {"url_host", "url_port", "url_scheme"} & found("contentful")
    assert {"url_path", "url_query"} <= found("contentful")
    assert "url_path" in found("truelayer")
    assert "url_query" not in found("truelayer")


def test_url_that_cannot_be_split_stands_for_itself():
    scheme = presets.get("contentful").scheme
    assert signed_part("https://one/a?b=c", scheme) == signed_part("http://two:1/a?b=c", scheme)
    assert signed_part("https://one/a#b", scheme) == "https://one/a#b"
