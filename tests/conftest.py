import os

import pytest
from hypothesis import HealthCheck, settings

from hookguard.errors import ConfigurationError

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip what needs an extra that is not there, in the words of the error that says so."""
    try:
        return (yield)
    except ConfigurationError as error:
        if "pip install 'hookguard-webhooks[" in str(error):
            pytest.skip(str(error))
        raise
