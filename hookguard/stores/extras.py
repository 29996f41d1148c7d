"""The command that installs the packages for a database URL, for error messages. This module needs none of them."""

from __future__ import annotations

__all__ = ["install"]

#: The extra of each database, and the driver it brings.
_EXTRAS = {"postgresql": ("postgresql", "psycopg"), "mysql": ("mysql", "pymysql"), "mariadb": ("mysql", "pymysql")}
#: Packages with another name than the driver in a URL. The name is empty if Python includes the driver.
_PACKAGES = {"mysqldb": "mysqlclient", "psycopg2": "psycopg2-binary", "pysqlite": ""}


def install(scheme: str) -> str:
    """Return the command for the scheme of a URL: ``postgresql``, ``mysql+pymysql``, ``postgresql+asyncpg``."""
    database, _, driver = scheme.partition("+")
    extra, brought = _EXTRAS.get(database, ("sqlalchemy", ""))
    # psycopg serves blocking and asynchronous code, under two driver names.
    if driver.removesuffix("_async") in ("", brought):
        return f"pip install 'hookguard-webhooks[{extra}]'"
    return f"pip install 'hookguard-webhooks[sqlalchemy]' {_PACKAGES.get(driver, driver)}".rstrip()
