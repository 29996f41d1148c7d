"""The forms of the page in three frameworks: what they change, and for whom."""

import re

import pytest
from inboxes import SETTINGS
from page_sites import ALL, BASE, CANARY, KEY


def test_rerun_and_drop_change_the_entry_and_keep_the_reason(site, caplog):
    dead, other = site.box.put("evt_dead"), site.box.put("evt_other")
    site.box.kill(dead)
    assert "1 of 1 entry is due again" in site.act(dead, "rerun", reason="the bug is mended").text
    assert site.box.state(dead) == "WAITING"
    assert "rerun by ada: the bug is mended" in site.get(f"/entry/{dead}").text
    assert "1 of 1 entry is deleted" in site.act(other, "drop", reason="a test event").text
    assert site.box.state(other) is None
    assert site.get(f"/entry/{other}").status == 404
    assert f"rerun of the entry {dead[:12]} by ada, changed 1: the bug is mended" in caplog.text
    assert f"drop of the entry {other[:12]} by ada, changed 1: a test event" in caplog.text


@pytest.mark.parametrize("reason", ["", "  ", " ab ", "x" * 501])
def test_an_action_without_a_reason_changes_nothing(site, reason):
    key = site.box.put("evt_1")
    site.box.kill(key)
    for action in ("rerun", "drop"):
        assert "Give a reason of 3 to 500 characters" in site.act(key, action, reason=reason).text
        assert site.box.state(key) == "DEAD"


def test_an_entry_that_a_worker_holds_has_no_actions_and_is_not_changed(site):
    key = site.box.put("evt_1")
    token = site.token(f"/entry/{key}/drop", f"/entry/{key}")
    site.box.inbox.take_one(key, lease=60, settings=SETTINGS)
    text = site.get(f"/entry/{key}").text
    assert "/drop" not in text
    assert "/rerun" not in text
    answer = site.post(f"/entry/{key}/drop", {"token": token, "reason": "too late"})
    assert "Nothing was changed" in answer.text
    assert site.box.state(key) == "HELD"


def test_each_action_needs_its_own_word(site):
    key = site.box.put("evt_1")
    site.box.kill(key)
    tokens = {action: site.token(f"/entry/{key}/{action}", f"/entry/{key}") for action in ("body", "rerun", "drop")}
    words = {"body": "open", "rerun": "rerun", "drop": "drop"}
    for missing, word in words.items():
        site.who = ("ada", set(ALL[1]) - {word})
        text = site.get(f"/entry/{key}").text
        assert [f'/{action}"' in text for action in words] == [action != missing for action in words]
        answer = site.post(f"/entry/{key}/{missing}", {"token": tokens[missing], "reason": "a good reason"})
        assert answer.status == 403
        assert CANARY not in answer.text
    site.who = ("ada", {"look"})
    assert "Actions" not in site.get(f"/entry/{key}").text
    assert site.get("/rerun").status == 403
    assert "rerun?" not in site.get("/entries?state=dead").text
    assert site.box.state(key) == "DEAD"


def test_a_form_needs_the_token_that_the_page_made_for_it(site):
    key, other = site.box.put("evt_1"), site.box.put("evt_2")
    site.box.kill(key)
    form = f"/entry/{key}/drop"
    tokens = {
        "none": "",
        "of another action": site.token(f"/entry/{key}/rerun", f"/entry/{key}"),
        "of another entry": site.token(f"/entry/{other}/drop", f"/entry/{other}"),
        "changed": site.token(form, f"/entry/{key}")[:-2] + "xx",
        "not one": "\x00",
    }
    site.who = ("grace", ALL[1])
    tokens["of another visitor"] = site.token(form, f"/entry/{key}")
    site.who = ALL
    for name, token in tokens.items():
        answer = site.post(form, {"token": token, "reason": "a good reason"})
        assert answer.status == 403, name
        assert "not valid any more" in answer.text
    assert site.box.state(key) == "DEAD"
    assert site.act(key, "drop", reason="its own token").status == 200
    assert site.box.state(key) is None


def test_a_token_of_another_key_is_not_taken_and_one_is_too_old_after_an_hour(site, monkeypatch):
    import time

    from hookguard.page.door import Door, Visitor

    key = site.box.put("evt_1")
    foreign = Door("another-key-of-enough-length").token(Visitor(ALL[0], frozenset(ALL[1])), f"drop {key}")
    own = Door(KEY).token(Visitor(ALL[0], frozenset(ALL[1])), f"drop {key}")
    assert site.post(f"/entry/{key}/drop", {"token": foreign, "reason": "another key"}).status == 403
    now = time.time()
    from itsdangerous import TimestampSigner

    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: int(now) + 3602)
    assert site.post(f"/entry/{key}/drop", {"token": own, "reason": "an old form"}).status == 403
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: int(now) + 3500)
    assert site.post(f"/entry/{key}/drop", {"token": own, "reason": "still fresh"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Origin": "https://shop.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://["}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": "https://shop.example"}, 200),
        ({"Origin": "null"}, 200),
    ],
)
def test_a_form_from_another_site_is_rejected_even_with_a_token(site, headers, status, caplog):
    key = site.box.put("evt_1")
    form = {"token": site.token(f"/entry/{key}/drop", f"/entry/{key}"), "reason": "from somewhere"}
    assert site.post(f"/entry/{key}/drop", form, Host="shop.example", **headers).status == status
    assert site.box.state(key) == ("WAITING" if status == 403 else None)
    assert ("a form from another site was rejected" in caplog.text) == (status == 403)


def test_nothing_is_changed_by_get(site):
    key = site.box.put("evt_1")
    token = site.token(f"/entry/{key}/drop", f"/entry/{key}")
    for action in ("drop", "rerun", "body"):
        assert site.get(f"/entry/{key}/{action}?token={token}&reason=by+a+link").status == 404
    assert site.box.state(key) == "WAITING"


def test_many_are_rerun_after_a_preview_with_their_number(site, caplog):
    dead = [site.box.put(f"evt_{number}", "invoice.paid" if number else "order.paid") for number in range(4)]
    for key in dead:
        site.box.kill(key)
    assert f'href="{BASE}/rerun?type=invoice.paid"' in site.get("/entries?state=dead&type=invoice.paid").text
    preview = site.get("/rerun?type=invoice.paid").text
    assert "Rerun 3 dead entries" in preview
    late = site.box.put("evt_late", "invoice.paid")
    site.box.kill(late)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', preview))
    assert site.post("/rerun", {**fields, "reason": ""}).text.count("Give a reason") == 1
    for changed in ({"type": ""}, {"number": "1000"}, {"latest": "9e9"}, {"token": ""}):
        assert site.post("/rerun", {**fields, "reason": "more than that", **changed}).status == 403
    assert {site.box.state(key) for key in dead} == {"DEAD"}
    answer = site.post("/rerun", {**fields, "reason": "the mail server was down"})
    assert "3 of 3 entries are due again" in answer.text
    assert [site.box.state(key) for key in [*dead, late]] == ["DEAD", "WAITING", "WAITING", "WAITING", "DEAD"]
    assert "rerun of 3 entries by ada, changed 3: the mail server was down" in caplog.text
    assert "No dead entry fits" in site.get("/rerun?endpoint=github").text


def test_no_more_than_a_thousand_are_rerun(site, monkeypatch):
    from hookguard.page import draw, look
    from hookguard.page import site as page

    for module in (draw, look, page):
        monkeypatch.setattr(module, "MOST", 2)
    dead = [site.box.put(f"evt_{number}") for number in range(3)]
    for key in dead:
        site.box.kill(key)
    preview = site.get("/rerun").text
    assert "Rerun 2 dead entries" in preview
    assert "is the most at a time" in preview
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', preview))
    assert "2 of 2 entries" in site.post("/rerun", {**fields, "reason": "two at a time"}).text
    assert [site.box.state(key) for key in dead] == ["DEAD", "WAITING", "WAITING"]
