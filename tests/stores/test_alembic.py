"""The table made by a migration of the user's own is the one that the store makes: both ways of the manual, by Alembic."""

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from pages import blocks
from sql_urls import BLOCKING, SQLStore, url
from sqlalchemy import MetaData, create_engine, inspect, text

from hookguard.stores.sql import create_table, event_table

MODELS, REVISION, INBOX_MODELS = (
    blocks("docs/stores/sql.md")[name] for name in ("The table", "The table 2", "The table of an inbox")
)

ENV = """
from alembic import context
from sqlalchemy import create_engine

from alembic_models import Base

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    # Whatever else is in the database of the tests is not this project's.
    ours = lambda name, kind, parents: kind != "table" or name in ("hookguard_event", "hookguard_inbox")
    context.configure(connection=connection, target_metadata=Base.metadata, include_name=ours, version_table="hookguard_alembic")
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""


@pytest.fixture(params=BLOCKING)
def project(request, tmp_path, monkeypatch):
    """A small project with Alembic's own layout, and its database without the table."""
    folder = tmp_path / "migrations"
    address = url(request.param, tmp_path)
    config = Config(tmp_path / "alembic.ini")
    command.init(config, str(folder))
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", address)
    config.attributes["configure_logger"] = False
    (folder / "env.py").write_text(ENV)
    MODELS.write(tmp_path, "alembic_models.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "alembic_models", raising=False)
    config.engine = create_engine(address)
    clean(config.engine)
    yield config
    clean(config.engine)
    config.engine.dispose()


def clean(engine):
    with engine.begin() as connection:
        for table in ("hookguard_event", "hookguard_inbox", "hookguard_alembic", "hookguard_made", "hookguard_made_inbox"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))


def shape(engine, table):
    """The database's description of a table."""
    found = inspect(engine)
    columns = [(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(table)]
    indexes = [
        (each["name"].replace(table, "…"), each["column_names"], bool(each["unique"])) for each in found.get_indexes(table)
    ]
    return columns, found.get_pk_constraint(table)["constrained_columns"], indexes


def is_the_same(engine):
    create_table(engine, "hookguard_made")
    assert shape(engine, "hookguard_event") == shape(engine, "hookguard_made")
    metadata = MetaData()
    event_table(metadata)
    with engine.connect() as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name == "hookguard_event", "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), metadata) == []
    store = SQLStore(engine, timeout=20)
    assert store.check() == []


@pytest.mark.filterwarnings("ignore:No path_separator found in configuration:DeprecationWarning")
@pytest.mark.runs("docs/stores/sql.md", "The table")
def test_a_revision_by_autogenerate(project):
    command.revision(project, "webhooks", autogenerate=True)
    (revision,) = (Path(project.get_main_option("script_location")) / "versions").glob("*.py")
    assert "create_table('hookguard_event'" in revision.read_text()
    command.upgrade(project, "head")
    is_the_same(project.engine)
    command.check(project)  # nothing is left to migrate
    command.downgrade(project, "base")
    assert not inspect(project.engine).has_table("hookguard_event")
    command.upgrade(project, "head")
    assert SQLStore(project.engine, timeout=20).check() == []


@pytest.mark.filterwarnings("ignore:No path_separator found in configuration:DeprecationWarning")
@pytest.mark.runs("docs/stores/sql.md", "The table", "The table 2")
def test_a_revision_by_hand(project):
    versions = Path(project.get_main_option("script_location")) / "versions"
    REVISION.write(versions, "hookguard.py")
    command.upgrade(project, "head")
    is_the_same(project.engine)
    command.check(project)
    command.downgrade(project, "base")
    assert not inspect(project.engine).has_table("hookguard_event")


@pytest.mark.filterwarnings("ignore:No path_separator found in configuration:DeprecationWarning")
@pytest.mark.runs("docs/stores/sql.md", "The table of an inbox")
def test_a_revision_with_an_inbox(project, tmp_path):
    if project.engine.dialect.name == "sqlite":
        pytest.skip("a SQLite file keeps deliveries in a store of its own")
    INBOX_MODELS.write(tmp_path, "alembic_models.py")
    command.revision(project, "webhooks", autogenerate=True)
    command.upgrade(project, "head")
    create_table(project.engine, "hookguard_made", inbox=True)
    assert shape(project.engine, "hookguard_inbox") == shape(project.engine, "hookguard_made_inbox")
    command.check(project)  # nothing is left to migrate
    url = project.get_main_option("sqlalchemy.url")
    store = SQLStore.from_url(url, timeout=20, create=False)
    store.inbox()
    assert store.check() == []
    store.close()
    command.downgrade(project, "base")
    assert not inspect(project.engine).has_table("hookguard_inbox")
