"""Django, configured once for every test of this process; a test puts its own settings over these."""

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import servers
from django.conf import settings

_FOLDER = tempfile.TemporaryDirectory(prefix="hookguard-django-")


def configure():
    """Configure Django, unless that was done."""
    if settings.configured:
        return
    with suppress(ImportError):  # it stands in for the driver in C, whose build wants the database's headers
        import pymysql

        pymysql.install_as_MySQLdb()
    settings.configure(
        SECRET_KEY="only-for-tests-and-nothing-else",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="django_site",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(_FOLDER.name, "db.sqlite3")},
            "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(_FOLDER.name, "claims.sqlite3")},
            "postgresql": servers.django_database("PostgreSQL"),
            "mysql": servers.django_database("MariaDB"),
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "hookguard_django"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    )
    import django

    django.setup()


urlpatterns = []


class Urls:
    """A URLconf made of patterns, for ROOT_URLCONF."""

    def __init__(self, *patterns):
        self.urlpatterns = list(patterns)


@contextmanager
def site(*patterns, **overrides):
    """A project with these URLs and these settings over the others."""
    configure()
    from django.test import override_settings
    from django.urls import clear_url_caches

    with override_settings(ROOT_URLCONF=Urls(*patterns), **overrides):
        clear_url_caches()
        yield
    clear_url_caches()
