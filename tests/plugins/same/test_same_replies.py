"""The same deliveries through every framework get the same replies and run the same handlers."""

import pytest

for needed in ("flask", "django", "starlette", "fastapi", "litestar", "quart", "httpx"):
    pytest.importorskip(needed)

import same_apps
from same_clients import WAYS, client_of
from same_scenarios import IN_PROCESS, scenarios, special

from hookguard import MemoryStore

#: Answers in which one framework differs, and why.
DIFFERENCES = {
    ("litestar", "a handler that cannot read the JSON"): "it turns every exception into its own 500 before the guard sees it",
    ("quart", "a handler that cannot read the JSON"): "likewise",
}


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    return request.param


@pytest.fixture
def play(way):
    """Send the steps of a scenario to a fresh app and compare."""

    def play(name, steps, store):
        ran = []

        def handle(event):
            ran.append((event.id, event.attempt))
            return same_apps.answer(event)

        with client_of(way, {"endpoints": IN_PROCESS, "store": store}, handle) as client:
            compare(name, client, steps, ran)

    def compare(name, client, steps, ran):
        for number, step in enumerate(steps, 1):
            answer = client.send(step.endpoint, step.delivery, step.delivery.url)
            wanted = step.answer
            if (way[0], name) in DIFFERENCES:
                assert (answer.status_code, len(ran)) == (500, wanted.ran), "it agrees by now: take it off the list"
                continue
            assert (answer.status_code, len(ran)) == (wanted.status, wanted.ran), f"step {number}: {answer.text[:200]}"
            for header, value in wanted.headers:
                assert answer.headers.get(header) == value, f"step {number}: {header}"
            if wanted.body is not None:
                assert answer.content == wanted.body, f"step {number}"

    return play


@pytest.mark.parametrize("name", scenarios())
def test_the_same_reply(play, name):
    play(name, scenarios()[name], MemoryStore())


@pytest.mark.parametrize("name", special())
def test_the_same_reply_with_a_store_or_a_lookup_of_its_own(play, name):
    store, steps = special()[name]
    play(name, steps, store())


def test_the_number_of_cases_is_large_enough():
    assert len(scenarios()) + len(special()) >= 25
