"""The page about records of deliveries: its application and its commands run as they are printed."""

import json
from runpy import run_path

import pytest

pytest.importorskip("flask")
pytest.importorskip("click")
pytest.importorskip("rich")

from pages import ROOT, blocks, shell
from waiting import until

from hookguard import SQLiteStore, presets
from hookguard.evidence.contract import HOURLY
from hookguard.guard import recording
from hookguard.guard.recording import flush

PAGE = blocks("docs/evidence.md")
TEXT = (ROOT / "docs" / "evidence.md").read_text("utf-8")
SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
BODY = json.dumps({"id": "evt_1", "type": "invoice.paid"}).encode()


@pytest.mark.runs(
    "docs/evidence.md",
    "main.py",
    "Records of deliveries",
    "Records of deliveries 2",
    "Delete",
    "Delete 2",
    "A copy for others",
)
def test_application_records_and_commands_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    PAGE["main.py"].write(tmp_path)
    names = run_path(tmp_path / "main.py")
    client = names["app"].test_client()

    def send(body):
        signed = presets.STRIPE.sign(BODY, SECRET)
        return client.post("/hooks/stripe", data=body, headers=list(signed.headers.items())).status_code

    assert (send(BODY), send(BODY + b"\n")) == (204, 401)
    assert flush()
    store = SQLiteStore("hookguard.sqlite3")
    assert until(lambda: flush() and store.evidence().find(cause="body_whitespace_added", limit=1))
    (rejected,) = store.evidence().find(rejected=True, limit=2)
    listed = shell(PAGE["Records of deliveries"].printed(), tmp_path)
    assert listed.returncode == 0, listed.stdout
    assert listed.stdout.count(rejected.mark) == 3
    assert listed.stdout.count("evt_1") == 2
    shown = shell(PAGE["Records of deliveries 2"].printed(), tmp_path, DELIVERY=rejected.mark)
    assert "body_whitespace_added (proved)" in shown.stdout, shown.stdout
    exported = shell(PAGE["A copy for others"].printed(), tmp_path)
    assert exported.returncode == 0, exported.stdout
    assert json.loads((tmp_path / "for-support.json").read_text())[0]["delivery"] == rejected.delivery
    assert shell(PAGE["Delete"].printed(), tmp_path).stdout == "0 deleted\n"
    assert "1 record is emptied" in shell(PAGE["Delete 2"].printed(), tmp_path).stdout
    store.close()


@pytest.mark.runs("docs/evidence.md", "Replay a delivery")
def test_recorded_delivery_is_replayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET", SECRET)
    main = PAGE["main.py"].write(tmp_path)
    main.write_text(main.read_text().replace('"evidence": True', '"evidence": {"keep_body": "24h"}'))
    client = run_path(str(main))["app"].test_client()
    signed = presets.STRIPE.sign(BODY, SECRET)
    assert client.post("/hooks/stripe", data=BODY, headers=list(signed.headers.items())).status_code == 204
    assert flush()
    store = SQLiteStore("hookguard.sqlite3")
    (record,) = store.evidence().find(limit=2)
    done = shell(PAGE["Replay a delivery"].printed(), tmp_path, DELIVERY=record.mark)
    assert (done.returncode, "handled" in done.stdout) == (0, True), done.stdout
    assert "the handler had a bug: handled" in store.evidence().find(limit=1)[0].note
    store.close()


def test_numbers_of_the_page_are_those_of_the_code():
    assert f"up to {recording.TOGETHER} records" in TEXT
    assert f"{recording.MOST:,} records and {recording.MOST_BYTES >> 20} MiB" in TEXT
    assert f"{HOURLY} are recorded in an hour" in TEXT
    assert f"up to {recording.AT_EXIT:.0f} seconds" in TEXT
