"""The setting is read once, also by threads that serve their first requests at the same time."""

import sys
import threading

import pytest

pytest.importorskip("django")

from django_deliveries import SECRET
from django_site import configure, site

configure()

from hookguard_django import conf

HOOKGUARD = {"STORE": "memory://", "ENDPOINTS": {"stripe": {"SECRETS": [SECRET]}, "github": {"SECRETS": [SECRET]}}}


@pytest.fixture
def switching():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switching")
def test_first_requests_at_the_same_time_share_one_store():
    calls = [(conf.guard_for, "stripe"), (conf.async_guard_for, "stripe"), (conf.guard_for, "github"), (conf.guard_for, "stripe")]
    for _ in range(60):
        with site(HOOKGUARD=HOOKGUARD):
            together = threading.Barrier(len(calls))
            settings, made = [], []

            def first(call, name, together=together, settings=settings, made=made):
                together.wait()
                made.append((call, name, call(name)))
                settings.append(conf.endpoints())

            threads = [threading.Thread(target=first, args=arguments) for arguments in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(made) == len(calls)
            assert len({id(one) for one in settings}) == 1
            assert len({id(conf.guard_for(name).store) for name in ("stripe", "github")}) == 1
            for call, name, one in made:
                assert one is call(name)


def test_a_mistake_is_reported_each_time():
    with site(HOOKGUARD={"ENDPOINT": {}}):
        for _ in range(2):
            with pytest.raises(conf.ConfigurationError, match="did you mean"):
                conf.endpoints()
