import pytest
from page_sites import FRAMEWORKS, page_site


@pytest.fixture(params=FRAMEWORKS)
def site(request, tmp_path):
    """The page in each framework, over an inbox with nothing in it."""
    pytest.importorskip(request.param)
    with page_site(request.param, tmp_path / "hookguard.sqlite3") as found:
        yield found
