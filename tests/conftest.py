import os

import pytest
from hypothesis import HealthCheck, settings

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
