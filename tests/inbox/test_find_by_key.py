"""A whole key is found by an index: the page reads an entry each time that somebody opens one."""

import sqlite3

from inboxes import Box

from hookguard.stores import inbox_sql as sql


def test_a_whole_key_is_searched_in_the_index(tmp_path):
    box = Box(tmp_path / "hookguard.sqlite3")
    key, other = box.put("evt_1"), box.put("evt_2")
    assert [entry.key for entry in box.inbox.find(key=key, limit=9)] == [key]
    assert [entry.key for entry in box.inbox.find(key=other[:12], limit=9)] == [other]
    values = dict.fromkeys(("state", "endpoint", "event_type", "after", "part"))
    connection = sqlite3.connect(tmp_path / "hookguard.sqlite3")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql.FIND_WHOLE}", {**values, "begins": key, "limit": 9}).fetchall()
    connection.close()
    assert "SEARCH hookguard_inbox USING INDEX" in plan[0][3]
