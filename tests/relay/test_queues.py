"""Queues as targets: a real RabbitMQ, and a real NATS with JetStream."""

import asyncio
import gc
import select
import socket
import sys
import threading
import uuid
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import servers

pytest.importorskip("httpx")

from receiving import raw_server
from relays import SECRET
from waiting import until

from hookguard import ConfigurationError, Delivery, Verifier
from hookguard.inbox.contract import EntryState
from hookguard.relay.queue_urls import Route, Subject, read_route, read_subject
from hookguard.relay.sending import Sending
from hookguard.relay.settings import TargetSettings
from hookguard.relay.shipping import open_target

# The clients that run on Python 3.10 leave the socket of a connection that broke to the collector.
OLDEST = sys.version_info < (3, 11)
pytestmark = [pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")] if OLDEST else []

DONE, DEAD = EntryState.DONE, EntryState.DEAD


class Rabbit:
    """A topic exchange with a queue on it, for one test."""

    def __init__(self):
        servers.needs("RabbitMQ")
        pytest.importorskip("aio_pika")
        self.name = f"hookguard-{uuid.uuid4().hex[:12]}"
        self.base = servers.RABBITMQ.rstrip("/")
        self.url = f"{self.base}/{self.name}"

    def lost(self):
        """A URL of an exchange whose messages no queue takes."""
        return f"{self.url}/unbound.key"

    def do(self, steps):
        import aio_pika

        async def run():
            connection = await aio_pika.connect(servers.RABBITMQ)
            async with connection:
                return await steps(await connection.channel())

        return asyncio.run(run())

    def open(self):
        async def steps(channel):
            exchange = await channel.declare_exchange(self.name, "topic")
            queue = await channel.declare_queue(self.name)
            for key in ("invoice.*", "fixed"):
                await queue.bind(exchange, key)

        self.do(steps)

    def read(self):
        async def steps(channel):
            queue, found = await channel.get_queue(self.name), []
            while (message := await queue.get(fail=False)) is not None:
                await message.ack()
                found.append((message.body, {name: str(value) for name, value in message.headers.items()}, message.delivery_mode))
            return found

        return self.do(steps)

    def close(self):
        async def steps(channel):
            await channel.queue_delete(self.name)
            await channel.exchange_delete(self.name)

        self.do(steps)


class Nats:
    """A stream for one test."""

    def __init__(self):
        servers.needs("NATS")
        pytest.importorskip("nats")
        self.name = f"hookguard-{uuid.uuid4().hex[:12]}"
        self.url = f"{servers.NATS}/{self.name}.events"

    def lost(self):
        """A URL of a subject that no stream stores."""
        return f"{servers.NATS}/elsewhere-{self.name}"

    def do(self, steps):
        import nats

        async def run():
            connection = await nats.connect(servers.NATS)
            try:
                return await steps(connection.jetstream())
            finally:
                await connection.close()

        return asyncio.run(run())

    def open(self):
        self.do(lambda stream: stream.add_stream(name=self.name, subjects=[f"{self.name}.*"]))

    def read(self):
        async def steps(stream):
            state = (await stream.stream_info(self.name)).state
            numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
            messages = [await stream.get_msg(self.name, number) for number in numbers]
            return [(message.data, dict(message.headers), None) for message in messages]

        return self.do(steps)

    def close(self):
        self.do(lambda stream: stream.delete_stream(self.name))


@pytest.fixture(autouse=OLDEST)
def collected():
    """Let no later test find what a connection left."""
    yield
    gc.collect()


@pytest.fixture(params=[Rabbit, Nats])
def queue(request):
    made = request.param()
    made.open()
    yield made
    made.close()


def test_message_arrives_signed(shop, queue):
    made = shop({"queue": {"url": queue.url, "secrets": [SECRET]}})
    body = made.deliver(1)
    made.work()
    ((came, headers, mode),) = queue.read()
    assert came == body
    assert Verifier("standard-webhooks", SECRET).verify(Delivery(came, headers)).id == headers["webhook-id"]
    assert headers["Hookguard-Event-Type"] == "invoice.paid"
    assert mode in (None, 2)
    assert made.states() == {("queue", "evt_1"): DONE}


def test_message_without_a_secret_has_its_id(shop, queue):
    made = shop({"queue": {"url": queue.url}})
    made.deliver(1)
    made.work()
    ((_, headers, _),) = queue.read()
    assert headers["webhook-id"].startswith("msg_")
    assert "webhook-signature" not in headers


def test_many_messages_arrive_once(shop, queue):
    made = shop({"queue": {"url": queue.url}})
    for number in range(60):
        made.deliver(number)
    made.work()
    ids = [headers["Hookguard-Event-Id"] for _, headers, _ in queue.read()]
    assert sorted(ids) == sorted(f"evt_{number}" for number in range(60))


def test_message_that_nothing_takes_is_a_failure(shop, queue):
    made = shop({"queue": {"url": queue.lost()}}, inbox={"tries": 2, "first": 0.01, "longest_wait": 0.02})
    made.deliver(1)
    made.work()
    assert made.states() == {("queue", "evt_1"): DEAD}
    assert made.of("failed")[0].reason_code == "not_reached"
    assert queue.read() == []


def test_rejected_message_keeps_the_connection_of_the_others(queue):
    """Eighty messages on their way, of which the server rejects every tenth."""

    def sending(number):
        kind, headers = "invoice.paid", {}
        if number % 10 == 0:
            # No queue of the exchange takes the type, and the subject's stream has another name.
            kind, headers = "unbound", {"Nats-Expected-Stream": "elsewhere"}
        return Sending(f"msg_{number}", b"{}", headers, kind, "queue", 1)

    async def steps():
        target: Any = open_target(TargetSettings.of("queue", {"url": queue.url}, {}))
        try:
            return await asyncio.gather(*(target.send(sending(number)) for number in range(80)), return_exceptions=True)
        finally:
            await target.aclose()

    results = asyncio.run(steps())
    assert [number for number, each in enumerate(results) if isinstance(each, Exception)] == list(range(0, 80, 10))
    assert len(queue.read()) == 72


def test_long_event_type_of_many_bytes_is_cut(shop, queue):
    made = shop({"queue": {"url": queue.url}})
    made.deliver(1, "invoice." + "é" * 200)
    made.work()
    assert made.states() == {("queue", "evt_1"): DONE}
    assert len(queue.read()) == 1


def test_server_that_is_down_loses_nothing(shop, queue):
    scheme, _, rest = queue.url.partition("://")
    host = rest.rpartition("@")[2].partition("/")[0]
    with raw_server(lambda _: None) as (port, _):
        pass  # nobody listens at this port any more
    down = shop({"queue": {"url": f"{scheme}://{rest.replace(host, f'127.0.0.1:{port}', 1)}"}})
    down.deliver(1)
    down.work(lambda: down.of("failed"))
    up = shop({"queue": {"url": queue.url}}, store=down.store)
    up.work()
    assert len(queue.read()) == 1


def test_server_that_says_nothing_is_left_after_its_time(shop, queue):
    scheme, _, rest = queue.url.partition("://")
    host = rest.rpartition("@")[2].partition("/")[0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        made = shop({"queue": {"url": f"{scheme}://{rest.replace(host, f'127.0.0.1:{port}', 1)}", "timeout": 1}})
        made.deliver(1)
        made.work(lambda: made.of("failed"))
    assert made.of("failed")[0].reason_code == "not_reached"


def test_connection_that_broke_is_opened_again(shop, queue):
    """Through a port that forwards to the server, and breaks once."""
    with forwarding(queue.url) as (url, cut):
        made = shop({"queue": {"url": url}})
        with made.working():
            made.deliver(1)
            assert until(lambda: made.of("handled"))
            cut()
            made.deliver(2)
            assert until(lambda: not made.waiting())
    assert {headers["Hookguard-Event-Id"] for _, headers, _ in queue.read()} == {"evt_1", "evt_2"}


@contextmanager
def forwarding(url):
    parts = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0))
    pairs = []

    def carry(near, far):
        with near, far, suppress(OSError, ValueError):
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    if not (piece := ready.recv(65536)):
                        return
                    (far if ready is near else near).sendall(piece)

    def accept():
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            pair = near, socket.create_connection((parts.hostname or "", parts.port or 0))
            pairs.append(pair)
            threading.Thread(target=carry, args=pair, daemon=True).start()

    def cut():
        while pairs:
            for side in pairs.pop():
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    try:
        yield url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}", 1), cut
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        cut()


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("amqps://u:p@mq.example:5671/shop/audit", ("amqps://u:p@mq.example:5671/shop", "audit", None)),
        ("amqp://mq.example/%2F/audit/invoice.paid", ("amqp://mq.example/%2F", "audit", "invoice.paid")),
        ("amqp://mq.example/%2F//queue", ("amqp://mq.example/%2F", "", "queue")),
    ],
)
def test_url_of_rabbitmq_names_an_exchange(url, route):
    assert read_route(url) == Route(*route)


@pytest.mark.parametrize(
    "url", ["amqp://mq.example", "amqp://mq.example/shop", "amqp://mq.example/shop/", "amqp:///shop/a", "amqp://h/a/b/c/d"]
)
def test_url_of_rabbitmq_without_an_exchange_is_a_mistake(url):
    with pytest.raises(ConfigurationError, match="names no exchange"):
        read_route(url)


def test_url_of_nats_names_a_subject():
    assert read_subject("nats://u:p@nats.example:4222/hooks.stripe") == Subject("nats://u:p@nats.example:4222", "hooks.stripe")
    assert read_subject("tls://nats.example/hooks") == Subject("tls://nats.example", "hooks")


@pytest.mark.parametrize(
    "url", ["nats://nats.example", "nats://nats.example/", "nats://h/hooks.*", "nats://h/a/b", "nats:///hooks", "nats://h/a%20b"]
)
def test_url_of_nats_without_a_subject_is_a_mistake(url):
    with pytest.raises(ConfigurationError, match="names no subject"):
        read_subject(url)


@pytest.mark.parametrize("read", [read_route, read_subject])
def test_password_of_a_queue_is_shown_nowhere(read):
    """An error reporter shows local variables: every member of a tuple, and the repr of any other object."""
    found = read("amqp://shop:canary@mq.example/shop/events" if read is read_route else "nats://shop:canary@nats.example/hooks")
    assert "canary" not in repr(found)
    assert not isinstance(found, tuple)
