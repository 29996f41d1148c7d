"""The page in three frameworks: what each visitor sees, and what appears nowhere."""

import contextlib
import json
import re
import sqlite3

import pytest
from inboxes import SECRET, SETTINGS
from page_sites import ALL, BASE, CANARY, FRAMEWORKS, HOSTILE, KEY, page_site

from hookguard.inbox.contract import EntryState


def test_the_overview_counts_the_entries_of_each_endpoint(site):
    assert "The inbox is empty" in site.get().text
    for number in range(3):
        site.box.put(f"evt_{number}")
    site.box.kill(site.box.put("evt_dead"))
    text = site.get().text
    row = re.search(r"<tr role=\"row\"><th scope=\"row\".*?</tr>", text, re.DOTALL)[0]
    name, waiting, oldest, *others = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd] .*?</t[hd]>", row)]
    assert [name, waiting, *others] == ["stripe", "3", "0", "1", "0"]
    assert re.fullmatch(r"\d+ s|\d min", oldest)
    assert "0 done, at most 0 in an hour, and 1 dead" in text
    assert text.count("<svg") == 1
    assert f'href="{BASE}/entries?endpoint=stripe&amp;state=dead"' in text


def test_the_list_takes_each_filter_and_goes_on_to_older_entries(site):
    dead = site.box.put("evt_dead", "invoice.paid")
    site.box.kill(dead, "no such customer")
    for number in range(101):
        site.box.put(f"evt_{number}")
    first = site.get("/entries").text
    assert first.count(f'href="{BASE}/entry/') == 100
    older = re.search(rf'href="{BASE}(/entries\?[^"]*after=\d+)"', first)[1].replace("&amp;", "&")
    assert site.get(older).text.count(f'href="{BASE}/entry/') == 2
    for query in ("state=dead", "type=invoice.paid", "endpoint=stripe&state=dead&since=1h"):
        text = site.get(f"/entries?{query}").text
        assert re.findall(rf'href="{BASE}/entry/([0-9a-f]+)"', text) == [dead], query
        assert "no such customer" in text
    for query in ("state=held", "endpoint=github", "type=order", "type=order.paid&state=dead"):
        assert "No entry is here" in site.get(f"/entries?{query}").text, query
    assert site.get("/entries?state=%00&since=never&after=x&after=99999999999999999999").status == 200


def test_an_entry_shows_its_facts_and_how_it_was_verified(site):
    key = site.box.put("evt_1")
    site.box.kill(key, "no such customer")
    text = site.get(f"/entry/{key}").text
    for shown in ("evt_1", "order.paid", "dead", "no such customer", "secret", "the signature covers", "body", "signed at", key):
        assert shown in text
    assert re.search(r"<dt>attempts</dt><dd>1</dd>", text)


def test_reason_of_an_entry_that_got_over_it_is_an_earlier_one(site):
    key = site.box.put("evt_1")
    held = site.box.inbox.take_one(key, lease=60, settings=SETTINGS)
    site.box.inbox.release(key, token=held.token, after=0, reason="no such customer", settings=SETTINGS)
    assert "<dt>reason</dt><dd>no such customer</dd>" in site.get(f"/entry/{key}").text
    assert "no such customer" in site.get("/entries").text
    held = site.box.inbox.take_one(key, lease=60, settings=SETTINGS)
    text = site.get(f"/entry/{key}").text
    assert "<dt>earlier reason</dt><dd>no such customer</dd>" in text
    assert "<dt>held until</dt>" in text
    site.box.inbox.complete(key, token=held.token, settings=SETTINGS)
    assert "no such customer" not in site.get("/entries").text


def test_nobody_is_answered_404_everywhere_and_with_every_method(site):
    key = site.box.put("evt_1")
    token = site.token(f"/entry/{key}/drop", f"/entry/{key}")
    for who in (None, False, ("ada", set()), ("ada", {"open", "rerun", "drop"})):
        site.who = who
        for path in ("/", "/entries", f"/entry/{key}", "/rerun", "/style.css", "/else"):
            answer = site.get(path)
            assert (answer.status, answer.body) == (404, b"Not Found"), path
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert site.ask(method, "/").status == 404
        assert site.post(f"/entry/{key}/drop", {"token": token, "reason": "nobody may"}).status == 404
    assert site.box.state(key) == "WAITING"


@pytest.mark.parametrize("allowed", ["ada", ("ada",), ("", {"look"}), ("ada", "look"), ("ada", {"look", "delete"}), True])
def test_another_answer_of_allow_is_a_mistake_that_lets_nobody_in(site, allowed):
    from hookguard import ConfigurationError

    site.who = allowed
    with pytest.raises(ConfigurationError, match="page: allow returned .*, which lets nobody in"):
        site.get()


def test_every_answer_has_the_headers(site):
    key = site.box.put("evt_1")
    site.get()
    site.get("/style.css")
    assert site.get("/nothing").status == 404
    assert site.get(f"/entry/{'0' * 64}").status == 404
    assert site.post(f"/entry/{key}/drop", {"reason": "no token"}).status == 403
    assert site.ask("DELETE", "/").status == 405
    assert site.ask("HEAD", "/").body == b""
    site.who = None
    assert site.get().status == 404
    for answer in site.answers:
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "set-cookie" not in answer.headers
        assert not re.search(r"<script|style=|\son\w+=|javascript:", answer.text)


def test_a_body_is_shown_after_a_click_without_the_hidden_values_and_is_logged(site, caplog):
    caplog.set_level("WARNING", "hookguard.inbox")  # as where nobody configured the log
    key = site.box.put("evt_1")
    before = site.get(f"/entry/{key}").text
    for kept in ("shop.example", "application/json", "&quot;id&quot;"):
        assert kept not in before
    assert "was shown to" not in caplog.text
    text = site.act(key, "body").text
    for shown in (
        "POST https://shop.example/hooks/stripe",
        "content-type: application/json",
        "&quot;type&quot;: &quot;order.paid&quot;",
    ):
        assert shown in text
    assert "&quot;card&quot;: &quot;(hidden)&quot;" in text
    assert f"the body of the inbox entry {key} was shown to ada" in caplog.text


@pytest.mark.parametrize("framework", FRAMEWORKS[:1])
@pytest.mark.parametrize("body", [b"card=canary-4242", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_is_left_out_where_values_are_hidden(framework, body, tmp_path):
    pytest.importorskip(framework)
    with page_site(framework, tmp_path / "hookguard.sqlite3") as site:
        key = put_as_it_is(site.box, "evt_1", "order.paid", body)
        text = site.act(key, "body").text
    assert CANARY not in text
    assert "not shown: it is not JSON" in text


@pytest.mark.parametrize("framework", FRAMEWORKS[:1])
def test_without_hidden_values_a_body_is_shown_as_it_came_and_in_part_if_it_is_large(framework, tmp_path):
    pytest.importorskip(framework)
    with page_site(framework, tmp_path / "hookguard.sqlite3", hide=[]) as site:
        key = put_as_it_is(site.box, "evt_1", "order.paid", b"\xff\x1b[31m\xe2\x80\xae a\nb" + b"a" * 70_000)
        text = site.act(key, "body").text
    assert "\\xff\\x1b[31m\\u202e a\nbaaa" in text
    assert "more bytes" in text
    assert "a" * 66_000 not in text


@pytest.mark.parametrize("framework", FRAMEWORKS[:1])
def test_a_body_of_an_endpoint_without_an_inbox_is_left_out(framework, tmp_path):
    pytest.importorskip(framework)
    with page_site(framework, tmp_path / "hookguard.sqlite3") as site:
        key = put_as_it_is(site.box, "evt_1", "order.paid", b'{"card": "canary-4242"}', endpoint="old")
        text = site.act(key, "body").text
    assert CANARY not in text
    assert "it is unknown which values must stay hidden" in text


def put_as_it_is(box, identifier, kind, body, endpoint="stripe", **head):
    """Store an entry as a database may hold it, whatever came."""
    from hookguard.inbox.contract import Kept
    from hookguard.store import StoreKey

    facts = {"v": 1, "method": "POST", "target": "/hooks", "host": "shop.example", "secure": True, "secret": "1", "headers": []}
    key = StoreKey("scope", identifier)
    kept = Kept(key=key, endpoint=endpoint, event_type=kind, head=json.dumps({**facts, **head}), body=body, retention=60)
    box.inbox.put([kept])
    return key.idempotency_key


def test_hostile_texts_are_text_on_every_page(site):
    headers = [["x-hostile", HOSTILE], ["user-agent", HOSTILE]]
    more = {"headers": headers, "host": HOSTILE, "target": f"/{HOSTILE}", "tenant": HOSTILE, "secret": HOSTILE}
    key = put_as_it_is(site.box, HOSTILE, HOSTILE, json.dumps({"a": HOSTILE, HOSTILE: 1}).encode(), **more)
    site.box.kill(key, HOSTILE)
    site.who = (f"ada {HOSTILE}", ALL[1])
    site.get()
    assert site.get("/entries?type=%3Cscript%3E%22%27&endpoint=%3Cscript%3E&state=%3Cscript%3E").status == 200
    site.get("/entries")
    site.get("/rerun")
    site.get("/%3Cscript%3E")
    assert site.act(key, "body").status == 200
    assert site.act(key, "rerun", reason=f"why {HOSTILE}").status == 200
    assert "why &lt;script&gt;" in site.get(f"/entry/{key}").text
    for answer in site.answers:
        assert "<script" not in answer.text
        assert "\u202e" not in answer.text
        assert "\x1b" not in answer.text
        assert not re.search(r"<[^>]*alert\(1\)[^>]*>[^<]*'&", answer.text.replace("&lt;", ""))
    assert "\\u202e\\x1b[31m" in site.answers[-1].text


def test_a_log_line_holds_no_line_that_a_visitor_wrote(site, caplog):
    caplog.set_level("INFO", "hookguard")
    key = site.box.put("evt_1")
    site.who = ("ada\nFORGED", ALL[1])
    site.act(key, "body")
    site.act(key, "drop", reason="why\nFORGED")
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert len([record for record in caplog.records if "FORGED" in record.getMessage()]) == 2


def test_no_secret_signature_or_card_number_is_in_any_byte_of_a_page_or_of_the_log(site, caplog):
    caplog.set_level("DEBUG")
    key = site.box.put("evt_1")
    site.box.kill(key)
    site.get()
    site.get("/entries")
    site.act(key, "body")
    site.act(key, "rerun", reason="look for canaries")
    site.get("/rerun")
    site.post(f"/entry/{key}/drop", {"token": "x", "reason": "look for canaries"})
    site.act(key, "drop", reason="look for canaries")
    everything = caplog.text + "".join(f"{answer.headers}{answer.text}" for answer in site.answers)
    for canary in (CANARY, SECRET, KEY, "stripe-signature", "v1="):
        assert canary not in everything.lower()


def test_signature_headers_that_a_relay_keeps_are_not_shown(site):
    headers = [["stripe-signature", "t=1,v1=canary"], ["content-type", "application/json"]]
    key = put_as_it_is(site.box, "evt_1", "order.paid", b"{}", headers=headers)
    text = site.act(key, "body").text
    assert "content-type: application/json" in text
    assert "stripe-signature" not in text.lower()
    assert "v1=canary" not in text


def test_an_entry_of_another_release_is_shown_without_what_cannot_be_read(site):
    key = put_as_it_is(site.box, "evt_1", "order.paid", b"{}", v=99)
    text = site.get(f"/entry/{key}").text
    assert "evt_1" in text
    assert "has a head of version" in text
    assert "Not shown" in site.act(key, "body").text


def test_a_store_that_is_down_is_said_and_logged(site, caplog):
    assert site.get().status == 200
    with contextlib.closing(sqlite3.connect(site.box.url.removeprefix("sqlite:///"))) as file:
        file.execute("ALTER TABLE hookguard_inbox RENAME TO out_of_reach")
        answer = site.get()
        file.execute("ALTER TABLE out_of_reach RENAME TO hookguard_inbox")
    assert answer.status == 503
    assert "The store is down" in answer.text
    assert "no such table" not in answer.text
    assert re.search("the page could not read the inbox: .*no such table", caplog.text)
    assert site.get().status == 200


def test_the_parts_of_a_relay_are_entries_of_their_own(site):
    from hookguard.inbox.contract import Kept
    from hookguard.store import StoreKey

    head = {"v": 1, "method": "POST", "target": "/", "host": "h", "secure": True, "secret": "1", "headers": []}
    kept = Kept(
        key=StoreKey("s", "evt_1"),
        endpoint="stripe",
        event_type="t",
        head=json.dumps(head),
        body=b"{}",
        parts=("audit", "search"),
    )
    site.box.inbox.put([kept])
    text = site.get().text
    assert "stripe → audit" in text
    key = f"{kept.key.idempotency_key}.audit"
    assert "1 of 1 entry is deleted" in site.act(key, "drop", reason="audit needs it not").text
    left = site.box.inbox.find(limit=9)
    assert [(entry.lane.part, entry.state) for entry in left] == [("search", EntryState.WAITING)]
