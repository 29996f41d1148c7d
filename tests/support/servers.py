"""The servers that tests talk to: on loopback, elsewhere by environment variable, or skipped aloud with how to start one.

In CI (``HOOKGUARD_TEST_SERVERS=required``) nothing is skipped: a server that does not answer is a failure.
"""

import os
import socket
from urllib.parse import urlsplit

import pytest

REDIS = os.environ.get("HOOKGUARD_TEST_REDIS", "redis://127.0.0.1:6379/15")
POSTGRESQL = os.environ.get("HOOKGUARD_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test")
MARIADB = os.environ.get("HOOKGUARD_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test")
RABBITMQ = os.environ.get("HOOKGUARD_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2F")
NATS = os.environ.get("HOOKGUARD_TEST_NATS", "nats://127.0.0.1:4222")
MEMCACHED = os.environ.get("HOOKGUARD_TEST_MEMCACHED", "memcached://127.0.0.1:11211")

_START = {
    "Memcached": ("HOOKGUARD_TEST_MEMCACHED", MEMCACHED, "memcached -d -l 127.0.0.1 -u nobody"),
    "RabbitMQ": ("HOOKGUARD_TEST_RABBITMQ", RABBITMQ, "rabbitmq-server -detached"),
    "NATS": ("HOOKGUARD_TEST_NATS", NATS, "nats-server -js -a 127.0.0.1 -sd /tmp/nats"),
    "Redis": ("HOOKGUARD_TEST_REDIS", REDIS, "redis-server --daemonize yes --save '' --appendonly no"),
    "PostgreSQL": ("HOOKGUARD_TEST_POSTGRESQL", POSTGRESQL, "pg_ctlcluster $(ls /etc/postgresql) main start"),
    "MariaDB": ("HOOKGUARD_TEST_MARIADB", MARIADB, "start-stop-daemon --start --background --exec /usr/sbin/mariadbd"),
}


def needs(name):
    """Skip the calling module or test unless the server answers and the packages to talk to it are there."""
    variable, url, command = _START[name]
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError as error:
        missing(f"{name} does not answer at {url} ({error}): start it, as with `{command}`, or set {variable}")


def missing(message):
    """Skip the calling module or test aloud; in CI nothing is skipped."""
    if os.environ.get("HOOKGUARD_TEST_SERVERS") == "required":
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)


def django_database(name):
    """The entry of one of them in Django's DATABASES."""
    url = {"PostgreSQL": POSTGRESQL, "MariaDB": MARIADB}[name]
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql" if name == "PostgreSQL" else "django.db.backends.mysql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
