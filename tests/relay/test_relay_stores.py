"""The relay with an inbox in a transactional store. The worker completes its entries outside of any handler's transaction."""

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
pytest.importorskip("sqlalchemy")

from receiving import receiver
from relays import Shop, to
from sql_urls import url
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from hookguard.inbox.contract import EntryState
from hookguard.stores.sql import SQLTransactionStore, create_table

EVENTS, ENTRIES = "hookguard_relay_event", "hookguard_relay_inbox"


def test_each_target_gets_every_event_from_a_transactional_store(tmp_path):
    engine = create_engine(url("postgresql+psycopg", tmp_path))
    with engine.begin() as connection:
        for table in (EVENTS, ENTRIES):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
    create_table(engine, EVENTS, inbox=True)
    store = SQLTransactionStore(sessionmaker(engine), table=EVENTS)
    with receiver() as one, receiver() as two:
        one.answers.append(500)
        made = Shop(tmp_path, {"a": to(one), "b": to(two)}, store=store)
        for number in range(5):
            made.deliver(number)
        made.work()
        assert set(made.states().values()) == {EntryState.DONE}
        assert (len(one.seen), len(two.seen)) == (6, 5)
    engine.dispose()
