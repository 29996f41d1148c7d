"""Which command installs what a database's URL needs: what to say when a package is missing. It needs none itself."""

from __future__ import annotations

__all__ = ["install"]

#: The extra of each database, and the driver it brings.
_EXTRAS = {"postgresql": ("postgresql", "psycopg"), "mysql": ("mysql", "pymysql"), "mariadb": ("mysql", "pymysql")}
#: Packages that are not called as the driver is in a URL; none for what Python brings.
_PACKAGES = {"mysqldb": "mysqlclient", "psycopg2": "psycopg2-binary", "pysqlite": ""}


def install(scheme: str) -> str:
    """Return the command for the scheme of a URL: ``postgresql``, ``mysql+pymysql``, ``postgresql+asyncpg``."""
    database, _, driver = scheme.partition("+")
    extra, brought = _EXTRAS.get(database, ("sqlalchemy", ""))
    # psycopg serves both ways under one name or the other.
    if driver.removesuffix("_async") in ("", brought):
        return f"pip install 'hookguard-webhooks[{extra}]'"
    return f"pip install 'hookguard-webhooks[sqlalchemy]' {_PACKAGES.get(driver, driver)}".rstrip()
