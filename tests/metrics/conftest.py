import metered
import pytest


@pytest.fixture
def registry():
    """A registry of Prometheus with nothing in it."""
    return pytest.importorskip("prometheus_client").CollectorRegistry()


@pytest.fixture(autouse=True)
def close_stores():
    """Close what the test opened: a connection that is dropped open is a warning."""
    yield
    while metered.opened:
        metered.opened.pop().close()
