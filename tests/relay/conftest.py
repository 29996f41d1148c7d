import pytest


@pytest.fixture
def shop(tmp_path):
    """Makes a shop; every one of them is closed at the end."""
    from relays import Shop

    made = []

    def make(targets, **more):
        made.append(Shop(tmp_path, targets, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()
