import os

import pages
import pytest
from hypothesis import HealthCheck, settings

from hookguard.errors import ConfigurationError
from hookguard.guard import autopsies as guards_autopsies
from hookguard.guard.autopsies import _worker as autopsies_of_the_process

# One profile for every run; the number of examples may be raised from outside, for a long night.
settings.register_profile(
    "hookguard",
    max_examples=int(os.environ.get("HOOKGUARD_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("hookguard")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def no_endpoint_of_another_file():
    """Forget the endpoints of other files' applications: an autopsy tries the secrets of 64 endpoints, and hundreds may be left."""
    guards_autopsies._all.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Forget which blocks of the pages the last test ran, and its delivery that waits for an autopsy: one waits at a time."""
    pages.run_now.clear()
    autopsies = autopsies_of_the_process.get()
    with autopsies._lock:
        autopsies._waiting = None
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what needs an extra that is not there, with the message of the error.

    Fail a test that says it runs blocks of a page (`@pytest.mark.runs(page, *names)`) and does not.
    """
    try:
        result = yield
    except ConfigurationError as error:
        if "pip install 'hookguard-webhooks[" in str(error):
            pytest.skip(str(error))
        raise
    said = {(mark.args[0], name) for mark in item.iter_markers("runs") for name in mark.args[1:]}
    assert said <= pages.run_now, f"not run: {sorted(said - pages.run_now)}"
    return result
