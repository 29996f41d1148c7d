import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hookguard import AsyncGuard, ConfigurationError, Delivery, Guard, MemoryStore, Preset, Tenant, Verifier
from hookguard.errors import UntrustedKeySource, VerificationUnavailable
from hookguard.fetch.http import GRACE, MAX_DOCUMENTS, PAUSE, REFRESH, USUAL_LIFE, AsyncHttpKeySource, HttpKeySource
from hookguard.keys import Wanted, trusted_url
from hookguard.schemes import Draft, FetchingScheme, HmacScheme, SignatureHeader
from hookguard.schemes.hmac import HmacKey
from hookguard.testing import FrozenClock

pytest.importorskip("cryptography", reason="the extra crypto is not installed")
pytest.importorskip("httpx", reason="the extra fetch is not installed")

from error_reports import report
from key_server import Authority, https_server, trusting

ROOT = Authority()
KEYS = json.dumps({"a": "key a", "b": "key b"}).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with https_server(tmp_path_factory.mktemp("keys"), ROOT) as server:
        yield server


@pytest.fixture
def server(running):
    running.seen.clear()
    running.answers.clear()
    running.answer("/keys", KEYS)
    return running


@pytest.fixture
def clock():
    return FrozenClock(1000.0)


@pytest.fixture(params=["sync", "async"])
def make(request):
    """Makes a source, with one way to ask both kinds."""

    def made(**options):
        options = {"verify": trusting(ROOT), **options}
        if request.param == "sync":
            return HttpKeySource(**options)

        class Asked(AsyncHttpKeySource):
            def get(self, wanted):
                return asyncio.run(super().get(wanted))

        return Asked(**options)

    return made


def read(content, now):
    document = json.loads(content)
    if "reject" in document:
        raise UntrustedKeySource("this document is not to be trusted")
    return document


def wanted(server, key="a", path="/keys", **more):
    return Wanted(f"{server.url}{path}", key, read, **more)


# --- what is fetched, and when ---


def test_a_document_is_fetched_once_for_all_its_keys(server, make, clock):
    source = make(clock=clock)
    assert [source.get(wanted(server, key)) for key in "aabb"] == ["key a", "key a", "key b", "key b"]
    assert len(server.seen) == 1
    method, path, headers, body = server.seen[0]
    assert (method, path, body) == ("GET", "/keys", b"")
    assert headers["Accept-Encoding"] == "identity"


def test_the_document_is_fetched_again_when_its_time_is_over(server, make, clock):
    source = make(clock=clock)
    source.get(wanted(server))
    clock.advance(USUAL_LIFE - 1)
    source.get(wanted(server))
    assert len(server.seen) == 1
    server.answer("/keys", b'{"a": "new"}')
    clock.advance(2)
    assert source.get(wanted(server)) == "new"
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("header", "life"),
    [
        ("max-age=600", 600),
        ("public, max-age=600, must-revalidate", 600),
        ("max-age=5", 60),
        ("max-age=999999999", 86400),
        ("no-store", 60),
        ("s-maxage=7", USUAL_LIFE),
        ("max-age=x", USUAL_LIFE),
    ],
)
def test_how_long_is_what_its_server_says_within_bounds(server, make, clock, header, life):
    server.answer("/keys", KEYS, headers={"Cache-Control": header})
    source = make(clock=clock)
    for step, fetches in ((0, 1), (life - 1, 1), (2, 2)):
        clock.advance(step)
        source.get(wanted(server))
        assert len(server.seen) == fetches


def test_an_unknown_id_asks_again_at_most_once_a_minute(server, make, clock):
    source = make(clock=clock)
    assert source.get(wanted(server)) == "key a"
    for _ in range(20):
        with pytest.raises(VerificationUnavailable, match="made up"):
            source.get(wanted(server, "c"))
    assert len(server.seen) == 1
    clock.advance(REFRESH + 1)
    server.answer("/keys", b'{"c": "key c"}')
    assert source.get(wanted(server, "c")) == "key c"
    with pytest.raises(VerificationUnavailable, match="'a' 0 s ago"):
        source.get(wanted(server, "a"))
    clock.advance(REFRESH + 1)
    assert source.get(wanted(server, "a")) is None
    assert len(server.seen) == 3


def test_a_key_behind_an_api_is_posted_for(server, make, clock):
    server.answer("/api", b'{"a": "posted"}')
    source = make(clock=clock)
    ask = wanted(server, path="/api", body=b'{"id": "a"}', headers=(("X-Client", "me"),))
    assert source.get(ask) == "posted"
    method, _, headers, body = server.seen[0]
    assert (method, body, headers["X-Client"], headers["Content-Type"]) == ("POST", b'{"id": "a"}', "me", "application/json")
    assert "id" not in repr(ask).partition("url")[0]
    assert "me" not in repr(ask)
    other = wanted(server, path="/api", body=b'{"id": "b"}')
    source.get(other)
    assert len(server.seen) == 2, "another question is another document"


def test_a_status_may_mean_that_there_is_no_such_key(server, make, clock):
    source = make(clock=clock)
    ask = wanted(server, path="/none", absent=frozenset({404}))
    assert source.get(ask) is None
    for _ in range(5):
        with pytest.raises(VerificationUnavailable, match="did not have the key"):
            source.get(ask)
    assert len(server.seen) == 1
    with pytest.raises(VerificationUnavailable, match="404"):
        source.get(wanted(server, path="/other"))


# --- what is rejected ---


def broken(server, make, clock, why, path="/bad", **options):
    source = make(clock=clock, **options)
    for _ in range(5):
        with pytest.raises(VerificationUnavailable, match=why) as raised:
            source.get(wanted(server, path=path))
        assert raised.value.status == 503
    return source


def test_no_redirect_is_followed(server, make, clock):
    server.answer("/bad", status=302, headers={"Location": f"{server.url}/keys"})
    broken(server, make, clock, "answered 302: redirects are not followed")
    assert [path for _, path, _, _ in server.seen] == ["/bad"], "and what failed is not asked for again at once"


def test_an_oversized_document_is_not_read_to_its_end(server, make, clock):
    sent = []

    def piece():
        sent.append(1)
        return b"x" * 65536

    server.answer("/bad", pieces=[piece] * 400)
    broken(server, make, clock, "over 4096 bytes", max_size=4096)
    time.sleep(0.1)
    assert len(sent) < 400, "what the sockets hold, and no more"


@pytest.mark.parametrize("drip", [False, True])
def test_a_fetch_that_takes_too_long_is_given_up(server, make, clock, drip):
    given_up = threading.Event()

    def piece():
        # A fetch that is not given up reads a space for 30 seconds, and then fails in another way than by its timeout.
        given_up.wait(0.1 if drip else 30)
        return b" "

    server.answer("/bad", pieces=[piece] * (300 if drip else 1))
    broken(server, make, clock, "longer|Timeout", timeout=0.5)
    given_up.set()
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"body": b"not json"}, "JSONDecodeError"),
        ({"status": 500}, "answered 500"),
        ({"status": 204}, "answered 204"),
        ({"body": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}}, "compressed"),
    ],
)
def test_invalid_documents_are_unavailable_keys(server, make, clock, answer, why):
    server.answer("/bad", **answer)
    broken(server, make, clock, why)
    assert len(server.seen) == 1


def test_an_untrusted_key_is_rejected_and_not_unavailable(server, make, clock):
    server.answer("/bad", b'{"reject": 1}')
    source = make(clock=clock)
    for _ in range(3):
        with pytest.raises(UntrustedKeySource):
            source.get(wanted(server, path="/bad"))
    assert len(server.seen) == 1
    source.get(wanted(server))
    clock.advance(USUAL_LIFE + 1)
    server.answer("/keys", b'{"reject": 1}')
    with pytest.raises(UntrustedKeySource):
        source.get(wanted(server))


@pytest.mark.parametrize(
    "url", ["http://localhost/keys", "ftp://localhost/", "https://user:x@localhost/keys", "https:///keys", "/keys"]
)
def test_only_https_is_fetched(make, url):
    with pytest.raises(UntrustedKeySource, match="https:// only"):
        make().get(Wanted(url, "a", read))


def test_plain_http_under_an_https_address_fails(tmp_path, make, clock):
    with https_server(tmp_path, None, tls=False) as plain:
        broken(plain, make, clock, "cannot be fetched", path="/keys")
        assert plain.seen == []


@pytest.mark.parametrize("what", ["another root", "another name", "expired", "not yet valid"])
def test_a_server_nobody_vouches_for_is_not_asked(tmp_path, make, clock, what):
    from datetime import datetime, timedelta, timezone

    now = datetime.now(timezone.utc)
    options = {
        "another root": {"authority": Authority("another")},
        "another name": {"name": "elsewhere.example"},
        "expired": {"start": now - timedelta(days=20)},
        "not yet valid": {"start": now + timedelta(days=2)},
    }[what]
    with https_server(tmp_path, options.pop("authority", ROOT), **options) as other:
        other.answer("/keys", KEYS)
        broken(other, make, clock, "cannot be fetched: ConnectError", path="/keys")
        assert other.seen == [], "the handshake failed, so nothing was asked"


# --- while it cannot be fetched ---


def test_a_failed_key_is_fetched_again_after_a_pause(server, make, clock):
    source = make(clock=clock)
    server.answer("/keys", status=500)
    for _ in range(3):
        with pytest.raises(VerificationUnavailable):
            source.get(wanted(server))
    assert len(server.seen) == 1
    clock.advance(PAUSE + 1)
    server.answer("/keys", KEYS)
    assert source.get(wanted(server)) == "key a"
    assert len(server.seen) == 2


def test_the_last_copy_serves_for_an_hour_while_its_server_is_down(server, make, clock):
    source = make(clock=clock)
    source.get(wanted(server))
    server.answer("/keys", status=500)
    clock.advance(USUAL_LIFE + 1)
    for _ in range(5):
        assert source.get(wanted(server)) == "key a"
    assert len(server.seen) == 2, "one try, then the pause"
    with pytest.raises(VerificationUnavailable):
        source.get(wanted(server, "c"))
    clock.advance(PAUSE + 1)
    assert source.get(wanted(server)) == "key a"
    assert len(server.seen) == 3
    clock.advance(GRACE)
    with pytest.raises(VerificationUnavailable):
        source.get(wanted(server))


def test_made_up_addresses_do_not_push_known_keys_out(server, make, clock):
    source = make(clock=clock)
    assert source.get(wanted(server)) == "key a"
    for number in range(MAX_DOCUMENTS + 1):
        clock.advance(1)
        assert source.get(wanted(server, path=f"/more-{number}", absent=frozenset({404}))) is None
    fetches = len(server.seen)
    assert source.get(wanted(server)) == "key a"
    assert len(server.seen) == fetches


def test_made_up_addresses_do_not_keep_a_genuine_key_from_being_fetched(server, make, clock):
    source = make(clock=clock)
    for number in range(100):
        with pytest.raises(VerificationUnavailable):
            source.get(wanted(server, path=f"/made-up-{number}"))
    assert source.get(wanted(server)) == "key a"


def test_made_up_addresses_are_fetched_a_limited_number_of_times(server, make, clock, monkeypatch):
    monkeypatch.setattr("hookguard.fetch.budget.MAX_NEW_IN_ALL", 5)
    monkeypatch.setattr("hookguard.fetch.budget.MAX_NEW_SLOWLY", 5)
    source = make(clock=clock)
    for number in range(20):
        with pytest.raises(VerificationUnavailable):
            source.get(wanted(server, path=f"/made-up-{number}"))
    assert len(server.seen) == 10
    with pytest.raises(VerificationUnavailable, match="known_keys or pinned_keys"):
        source.get(wanted(server))
    assert source.get(wanted(server, known=True)) == "key a", "the operator's own list, or the provider's one address"


def test_credentials_sent_for_a_key_are_not_in_an_error_report(server, make):
    asked = wanted(server, "a", body=b'{"secret": "of-the-account"}')
    server.answer("/keys", b"{}", status=500)
    source = make()
    for _ in range(2):  # asked, and remembered
        with pytest.raises(VerificationUnavailable) as raised:
            source.get(asked)
        assert "of-the-account" not in report(raised.value)


# --- one flight at a time ---


def test_sixteen_threads_make_one_fetch(server):
    server.answer("/keys", KEYS, wait=0.2)
    source = HttpKeySource(verify=trusting(ROOT))
    gate = threading.Barrier(16)

    def ask(number):
        gate.wait()
        return source.get(wanted(server, "ab"[number % 2]))

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(16)))
    assert found == ["key a", "key b"] * 8
    assert len(server.seen) == 1


def test_one_who_looked_before_a_flight_landed_starts_no_other(server):
    source = HttpKeySource(verify=trusting(ROOT))
    looked, landed = threading.Event(), threading.Event()
    look = source._cache.look

    def late(ask):
        found = look(ask)
        if threading.current_thread() is not threading.main_thread() and not landed.is_set():
            looked.set()
            landed.wait(10)
        return found

    source._cache.look = late
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.get, wanted(server))
        looked.wait(10)
        assert source.get(wanted(server, "b")) == "key b"
        landed.set()
        assert waiting.result() == "key a"
    assert len(server.seen) == 1


def test_one_who_waits_for_another_flight_waits_no_longer_than_its_time(server):
    source = HttpKeySource(verify=trusting(ROOT), timeout=1)
    reading, go_on = threading.Event(), threading.Event()

    def read(content, now):
        reading.set()
        go_on.wait(20)
        return json.loads(content)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(source.get, Wanted(f"{server.url}/keys", "a", read))
        assert reading.wait(10)
        try:
            with pytest.raises(VerificationUnavailable, match="did not come in time"):
                source.get(Wanted(f"{server.url}/keys", "a", read))
        finally:
            go_on.set()
        assert first.result() == "key a"


def test_sixteen_tasks_make_one_fetch_and_the_first_may_leave(server):
    server.answer("/keys", KEYS, wait=0.2)
    source = AsyncHttpKeySource(verify=trusting(ROOT))

    async def ask():
        first = asyncio.create_task(source.get(wanted(server)))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(source.get(wanted(server, "ab"[number % 2]))) for number in range(15)]
        await asyncio.sleep(0.05)
        first.cancel()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, *rest = asyncio.run(ask())
    assert isinstance(first, asyncio.CancelledError)
    assert rest == [*["key a", "key b"] * 7, "key a"]
    assert len(server.seen) == 1


def test_a_failed_fetch_raises_for_every_waiter(server):
    server.answer("/keys", status=500, wait=0.2)
    source = HttpKeySource(verify=trusting(ROOT))
    gate = threading.Barrier(8)

    def ask(_):
        gate.wait()
        with pytest.raises(VerificationUnavailable, match="answered 500"):
            source.get(wanted(server))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert len(server.seen) == 1

    async def tasks():
        asked = AsyncHttpKeySource(verify=trusting(ROOT))
        return await asyncio.gather(*[asked.get(wanted(server)) for _ in range(8)], return_exceptions=True)

    assert all(isinstance(found, VerificationUnavailable) for found in asyncio.run(tasks()))
    assert len(server.seen) == 2


# --- addresses ---

HOSTS = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?")


def test_addresses_of_the_provider():
    for url in ("https://sns.us-east-1.amazonaws.com/a.pem", "https://sns.cn-north-1.amazonaws.com.cn/x/a-b_c.pem"):
        assert trusted_url(url, HOSTS) == url
    assert trusted_url("https://API.example/certs/1", {"api.example"}, path="/certs/")
    assert trusted_url("https://api.example/c.pem", {"api.example"}, path=re.compile(r"/[a-z]+\.pem"))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example#sns.us-east-1.amazonaws.com/a.pem",
        "https://evil.example\\.sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/../a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/a.pem#x",
        "https://sns.us-east-1.amazonaws.com/%2e%2e/a.pem",
        "https://sns.us-east-1.amazonaws.com",
        "https://sns.us-east-1.amazonaws.com./a.pem",
        "https://s3.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem\n",
        "https://sns.us-east-1.amazonaws.com/a b",
        "https://sns.\uff55s-east-1.amazonaws.com/a.pem",
        "https://127.0.0.1/a.pem",
        "https://[::1]/a.pem",
        "https:sns.us-east-1.amazonaws.com/a.pem",
        "//sns.us-east-1.amazonaws.com/a.pem",
        "file:///etc/passwd",
        "",
        "https://sns.us-east-1.amazonaws.com/" + "a" * 1024,
    ],
)
def test_addresses_that_are_not_allowed_are_rejected(url):
    with pytest.raises(UntrustedKeySource) as raised:
        trusted_url(url, HOSTS)
    assert raised.value.status == 401
    for path in ("/certs/", re.compile(r"/[a-z]+\.pem")):
        with pytest.raises(UntrustedKeySource, match="does not hold the provider's keys"):
            trusted_url("https://api.example/other/x.pem", {"api.example"}, path=path)


# --- through the guards ---


class Remote(FetchingScheme):
    """An HMAC whose key is at an address the delivery names."""

    required_header = "x-sig"
    covers = frozenset({"body"})

    def __init__(self, base):
        self.base = base
        self.inner = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"))

    def prepare(self, secret):
        return None

    def wants(self, delivery, keys):
        url = delivery.headers.one("x-key-url") or ""
        if not url.startswith(self.base + "/"):
            raise UntrustedKeySource("the address is not the provider's")
        return Wanted(url, delivery.headers.one("x-key-id") or "", read)

    def verify(self, delivery, keys, found=None):
        self.inner.verify(delivery, [keys[0]._replace(prepared=HmacKey(found.encode(), "sha256"))])
        return keys[0].name, None

    def sign(self, draft, keys):
        return self.inner.sign(draft, keys)


@pytest.fixture(params=["sync", "async", "async over sync"])
def answered(request, server, clock):
    """Passes deliveries to a guard and says what it answers."""
    preset = Preset(name="remote", scheme=Remote(server.url), event_id=None, identity="content")

    def ask(headers, secrets="a-secret-that-is-long-enough", body=b"{}"):
        signed = HmacScheme(signature=SignatureHeader("X-Sig", "{hex}"))
        from hookguard.preset import make_keys

        keys = [make_keys(preset, "a-secret-that-is-long-enough")[0]._replace(prepared=HmacKey(b"key a", "sha256"))]
        delivery = signed.sign(Draft(body, headers), keys)
        if request.param == "sync":
            receipt = Guard(Verifier(preset, secrets), MemoryStore(), keys=ask.sync).open(delivery)
        else:
            source = ask.sync if "sync" in request.param.partition(" ")[2] else ask.awaited
            receipt = asyncio.run(AsyncGuard(Verifier(preset, secrets), MemoryStore(), keys=source).open(delivery))
        return receipt.reply.status if receipt.reply else 200, getattr(receipt.error, "code", "")

    options = {"verify": trusting(ROOT), "clock": clock}
    ask.sync, ask.awaited = HttpKeySource(**options), AsyncHttpKeySource(**options)
    return ask


def test_a_guard_fetches_what_a_delivery_needs(server, answered):
    key = {"X-Key-Url": f"{server.url}/keys", "X-Key-Id": "a"}
    assert [answered(key) for _ in range(2)] == [(200, ""), (200, "")]
    assert len(server.seen) == 1
    assert answered({**key, "X-Key-Id": "b"}) == (401, "signature_mismatch")
    assert len(server.seen) == 1


def test_a_new_key_after_a_made_up_one_is_not_rejected_for_good(server, answered, clock):
    key = {"X-Key-Url": f"{server.url}/keys"}
    assert answered({**key, "X-Key-Id": "made-up"}) == (401, "unknown_key"), "its own fetch did not find it"
    server.answer("/keys", b'{"new": "key a"}')
    assert answered({**key, "X-Key-Id": "new"}) == (503, "verification_unavailable"), "many providers do not retry after 401"
    assert answered({**key, "X-Key-Id": "made-up"}) == (503, "verification_unavailable")
    assert len(server.seen) == 1, "strangers cannot cause more fetches"
    clock.advance(REFRESH + 1)
    assert answered({**key, "X-Key-Id": "new"}) == (200, "")
    assert len(server.seen) == 2


def test_an_address_that_is_not_the_providers_is_not_fetched(server, answered):
    for url in ("http://169.254.169.254/keys", "https://evil.example/keys", f"{server.url}.evil.example/keys", ""):
        assert answered({"X-Key-Url": url, "X-Key-Id": "a"}) == (401, "untrusted_key_source")
    assert server.seen == []


def test_an_unavailable_key_is_not_a_forgery(server, answered):
    server.answer("/keys", status=500)
    key = {"X-Key-Url": f"{server.url}/keys", "X-Key-Id": "a"}
    assert answered(key) == (503, "verification_unavailable")
    assert answered(key) == (503, "verification_unavailable")
    assert len(server.seen) == 1


def test_a_tenants_deliveries_are_fetched_for_too(server, answered):
    key = {"X-Key-Url": f"{server.url}/keys", "X-Key-Id": "a"}
    assert answered(key, secrets=lambda path, headers: Tenant("t1", ["a-secret-that-is-long-enough"])) == (200, "")


def test_a_failing_custom_source_is_not_a_forgery(server):
    preset = Preset(name="remote", scheme=Remote(server.url), event_id=None, identity="content")

    class Broken:
        def get(self, wanted):
            raise OSError("the vault is sealed")

    class BrokenToo:
        async def get(self, wanted):
            raise OSError("the vault is sealed")

    delivery = Delivery(b"{}", {"X-Key-Url": f"{server.url}/keys", "X-Key-Id": "a", "X-Sig": "ab" * 32})
    verifier = Verifier(preset, "a-secret-that-is-long-enough")
    assert Guard(verifier, MemoryStore(), keys=Broken()).open(delivery).reply.status == 503
    assert asyncio.run(AsyncGuard(verifier, MemoryStore(), keys=BrokenToo()).open(delivery)).reply.status == 503
    with pytest.raises(ConfigurationError, match="never awaits"):
        Guard(verifier, MemoryStore(), keys=BrokenToo())


def test_settings_that_make_no_sense():
    for timeout in (0, -1, 61):
        with pytest.raises(ConfigurationError, match="timeout"):
            HttpKeySource(timeout=timeout)


def test_a_guard_that_needs_httpx_names_the_extra_without_it():
    code = """
import sys
sys.modules["httpx"] = None
from hookguard import Guard, MemoryStore, Preset, Verifier
from hookguard.schemes import FetchingScheme
class Remote(FetchingScheme):
    def prepare(self, secret): return None
    def wants(self, delivery, keys): return None
    def verify(self, delivery, keys, found=None): return "", None
    def sign(self, draft, keys): return None
preset = Preset(name="remote", scheme=Remote(), event_id=None, identity="content")
Guard(Verifier("github", "a-secret-that-is-long-enough"), MemoryStore())
Guard(Verifier(preset, "a-secret-that-is-long-enough"), MemoryStore())
"""
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'hookguard-webhooks[fetch]'" in failed.stderr.splitlines()[-1]
