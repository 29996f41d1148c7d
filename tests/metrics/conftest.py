import metered
import pytest


@pytest.fixture(autouse=True)
def close_stores():
    """Close what the test opened: a connection that is dropped open is a warning."""
    yield
    while metered.opened:
        metered.opened.pop().close()
