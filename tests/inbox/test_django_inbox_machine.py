"""The inbox's state machine over Django's database, on three databases; see test_inbox_machine.py for the steps."""

import pytest

pytest.importorskip("django")

from django_site import configure

configure()

from django_tables import close_database, empty, open_database
from test_inbox_machine import STEPS, walk_inbox

from hookguard_django.stores import ORMStore


@pytest.mark.parametrize("alias", ["sqlite", "postgresql", "mysql"])
def test_no_answer_differs_from_the_model(alias):
    open_database(alias)

    def make(clock):
        empty(alias)
        return ORMStore(alias, clock=clock)

    assert walk_inbox(make, STEPS, deadline=None) >= STEPS > 0
    close_database(alias)
