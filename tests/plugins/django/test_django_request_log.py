"""Django's log of requests has the mistakes of a worker's views, and not their decisions."""

import pytest

pytest.importorskip("django")

from django_site import configure, site

configure()

from django.urls import path
from django_deliveries import SECRET, post, stripe

from hookguard import GiveUp, SQLiteStore
from hookguard.testing import work_off
from hookguard_django import webhook


@pytest.mark.parametrize(
    ("raised", "logged"), [(GiveUp("gone"), False), (ValueError("a mistake"), True)], ids=["decision", "mistake"]
)
@pytest.mark.parametrize("inbox", [True, False], ids=["worker", "direct"])
def test_decision_of_a_worker_s_view_is_not_logged(raised, logged, inbox, tmp_path, caplog):
    @webhook("stripe")
    def hook(request):
        raise raised

    store = SQLiteStore(tmp_path / "claims.sqlite3")
    endpoint = {"SECRETS": [SECRET], **({"INBOX": True} if inbox else {})}
    with site(path("hook", hook), HOOKGUARD={"ENDPOINTS": {"stripe": endpoint}, "STORE": store}):
        assert post(stripe()).status_code == (200 if inbox else 500)
        if inbox:
            work_off()
    store.close()
    found = [record for record in caplog.records if record.name == "django.request"]
    assert bool(found) is (logged or not inbox)
