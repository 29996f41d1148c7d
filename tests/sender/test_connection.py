"""Where a webhook may go, for how long, and how much of an answer is read: against real servers on loopback."""

import asyncio
import base64
import os
import socket
import ssl
import sys
import threading
import time
from contextlib import suppress

import pytest

pytest.importorskip("httpx")
pytest.importorskip("uvicorn")
pytest.importorskip("stamina")
pytest.importorskip("cryptography")

from key_server import Authority, pem
from receiving import LOOPBACK, raw_server, receiver

from hookguard import ConfigurationError, Networks
from hookguard.sender import NotAccepted, connection, send_webhook
from hookguard.sender.connection import Connection, NotAnswered, Reach, read_url

SECRET = "whsec_" + base64.b64encode(b"a-key-of-the-sender-in-tests").decode()
#: Bytes of the answer without an end; a gigabyte in a long run.
ENDLESS = int(os.environ.get("HOOKGUARD_RELAY_ANSWER", str(8 * 1024 * 1024)))
HERE = Reach(allow_http=True, allow_networks=Networks(LOOPBACK))


def post(url, reach=HERE, body=b"{}", **more):
    async def steps():
        connection = Connection(read_url(url, reach), reach)
        try:
            return await connection.post(body, {"Content-Type": "application/json"}, **more)
        finally:
            await connection.aclose()

    return asyncio.run(steps())


#: The addresses that this process has tried to connect to. An audit hook stays for ever, so there is one.
TRIED = []
sys.addaudithook(lambda name, given: TRIED.append(given[1][0]) if name == "socket.connect" and len(given[1]) > 1 else None)


@pytest.fixture
def tried():
    TRIED.clear()
    return TRIED


class Names:
    """A resolver by script: for each name a list of addresses for each question, the last one for ever."""

    def __init__(self, real):
        self.real, self.answers, self.asked = real, {}, []

    def look_up(self, host, port, *args, **options):
        host = host.decode() if isinstance(host, bytes) else host
        if host not in self.answers:
            return self.real(host, port, *args, **options)
        self.asked.append(host)
        lists = self.answers[host]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in (lists.pop(0) if len(lists) > 1 else lists[0])
        ]


@pytest.fixture
def names(monkeypatch):
    made = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    return made


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "2130706433",
        "127.1",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "[::]",
    ],
)
def test_this_machine_is_not_connected_to(host, tried):
    with raw_server(lambda connection: None) as (port, came), pytest.raises((NotAnswered, ConfigurationError)):
        post(f"http://{host}:{port}/", Reach(allow_http=True))
    assert came == []
    assert tried == []


def test_one_address_that_is_not_public_closes_the_name(names, tried):
    names.answers["shop.example"] = [["93.184.216.34", "127.0.0.1"]]
    with pytest.raises(NotAnswered, match="has the address 127.0.0.1, which is not public") as caught:
        post("http://shop.example/", Reach(allow_http=True))
    assert not caught.value.again
    assert tried == []


def test_name_whose_addresses_change_is_resolved_once_and_connected_to_the_checked_address(names, tried):
    with receiver() as there, receiver() as other:
        port = there.url.split(":")[2].split("/")[0]
        names.answers["shop.example"] = [["127.0.0.1"], ["127.0.0.2"]]
        assert post(f"http://shop.example:{port}/hooks").status == 200
        assert names.asked == ["shop.example"]
        assert tried == ["127.0.0.1"]
        assert there.seen[0].headers["host"] == f"shop.example:{port}"
        assert other.seen == []


def test_sender_does_not_try_again_at_an_address_that_is_not_public(names, tried):
    names.answers["shop.example"] = [["169.254.169.254"], ["93.184.216.34"]]
    with pytest.raises(NotAccepted, match="after 1 attempt"):
        send_webhook("https://shop.example/", b"{}", SECRET)
    assert names.asked == ["shop.example"]
    assert tried == []


def test_next_address_of_a_name_is_tried(names, tried):
    with receiver() as there:
        port = there.url.split(":")[2].split("/")[0]
        names.answers["shop.example"] = [["127.0.0.9", "127.0.0.1"]]
        assert post(f"http://shop.example:{port}/").status == 200
    assert tried == ["127.0.0.9", "127.0.0.1"]


def test_name_without_an_address_is_an_answer_that_did_not_come(names):
    names.answers["shop.example"] = [[]]
    with pytest.raises(NotAnswered, match="has no address") as caught:
        post("https://shop.example/")
    assert caught.value.again


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status, tried):
    with receiver() as there, receiver() as other:
        there.answers.append((status, {"Location": other.url}, b""))
        assert post(there.url).status == status
        assert other.seen == []


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with receiver() as there, receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert post(there.url).status == 200
        assert len(there.seen) == 1
        assert proxy.seen == []


def test_proxy_that_is_named_is_used():
    with receiver() as proxy:
        base = proxy.url.removesuffix("/hooks")
        assert post("http://10.0.0.1/hooks", Reach(allow_http=True, proxy=base)).status == 200
        assert proxy.seen[0].headers["host"] == "10.0.0.1"


@pytest.mark.parametrize(("url", "method"), [("http://10.0.0.1/hooks", b"POST"), ("https://10.0.0.1/hooks", b"CONNECT")])
def test_proxy_gets_its_user_and_password(url, method):
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def steps():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reach = Reach(allow_http=True, proxy=f"http://shop:p%40ss%C3%A9@127.0.0.1:{port}")
            assert "p%40ss" not in repr(reach)
            connection = Connection(read_url(url, reach), reach)
            with suppress(NotAnswered):  # the tunnel was rejected
                await connection.post(b"{}", {})
            await connection.aclose()

    asyncio.run(steps())
    assert asked[0].startswith(method)
    expected = base64.b64encode("shop:p@ssé".encode())
    assert b"proxy-authorization: basic " + expected.lower() in asked[0].lower()


def served(folder, authority, name):
    key, certificate = authority.issue(name)
    (folder / "chain.pem").write_bytes(pem(key, certificate))
    (folder / "root.pem").write_bytes(pem(authority.certificate))
    return {"ssl_certfile": str(folder / "chain.pem")}, str(folder / "root.pem")


def test_certificate_is_checked_for_the_name_in_the_url(names, tmp_path):
    options, roots = served(tmp_path, Authority(), "shop.example")
    names.answers["shop.example"] = names.answers["other.example"] = [["127.0.0.1"]]
    reach = Reach(allow_networks=Networks(LOOPBACK), ca_file=roots)
    with receiver(**options) as there:
        port = there.url.split(":")[2].split("/")[0]
        assert post(f"https://shop.example:{port}/", reach).status == 200
        assert there.seen[0].headers["host"] == f"shop.example:{port}"
        with pytest.raises(NotAnswered, match="CERTIFICATE_VERIFY_FAILED"):
            post(f"https://other.example:{port}/", reach)
        with pytest.raises(NotAnswered, match="CERTIFICATE_VERIFY_FAILED"):
            post(f"https://shop.example:{port}/", Reach(allow_networks=Networks(LOOPBACK)))
        assert len(there.seen) == 1


def test_certificates_of_the_environment_are_not_trusted(names, tmp_path, monkeypatch):
    options, roots = served(tmp_path, Authority(), "shop.example")
    names.answers["shop.example"] = [["127.0.0.1"]]
    monkeypatch.setenv("SSL_CERT_FILE", roots)
    connection._context.cache_clear()
    with receiver(**options) as there:
        port = there.url.split(":")[2].split("/")[0]
        with pytest.raises(NotAnswered, match="CERTIFICATE_VERIFY_FAILED"):
            post(f"https://shop.example:{port}/", Reach(allow_networks=Networks(LOOPBACK)))


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def test_drip_in_the_head_ends_with_the_deadline():
    with raw_server(drip) as (port, _):
        began = time.monotonic()
        with pytest.raises(NotAnswered, match=r"no answer within 0\.5 s"):
            post(f"http://127.0.0.1:{port}/", Reach(0.5, allow_http=True, allow_networks=Networks(LOOPBACK)))
    assert time.monotonic() - began < 30  # a server that never ends, without a deadline, holds for ever


def test_silence_ends_with_the_deadline():
    silent = threading.Event()
    with raw_server(lambda _: silent.wait(60)) as (port, _):
        with pytest.raises(NotAnswered, match="no answer within"):
            post(f"http://127.0.0.1:{port}/", timeout=0.3)
        silent.set()


def test_drip_in_the_body_ends_and_the_status_counts():
    def answer(connection):
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    with raw_server(answer) as (port, _):
        assert post(f"http://127.0.0.1:{port}/").status == 202


def test_answer_without_an_end_is_cut_off():
    sent = []

    def answer(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        while sum(sent) < ENDLESS:
            sent.append(connection.send(piece))

    ended = threading.Event()

    def until_cut(connection):
        try:
            answer(connection)
        finally:
            ended.set()

    with raw_server(until_cut) as (port, _):
        assert post(f"http://127.0.0.1:{port}/").status == 200
        assert ended.wait(60)
    assert sum(sent) < ENDLESS  # it was cut off; the kernels' buffers on both sides hold the rest


def test_at_most_64_kib_of_an_answer_are_read(monkeypatch):
    from anyio._backends._asyncio import SocketStream

    read, real = [], SocketStream.receive

    async def counted(self, max_bytes=65536):
        found = await real(self, max_bytes)
        read.append(len(found))
        return found

    monkeypatch.setattr(SocketStream, "receive", counted)

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(ENDLESS // 65536):
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with raw_server(answer) as (port, _):
        assert post(f"http://127.0.0.1:{port}/").status == 200
    assert 0 < sum(read) <= 64 * 1024


def test_long_head_is_an_answer_that_did_not_come():
    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000)

    with raw_server(answer) as (port, _), pytest.raises(NotAnswered):
        post(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nmuch longer than that",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
)
def test_length_that_lies_changes_no_status(head):
    with raw_server(lambda connection: connection.sendall(head)) as (port, _):
        assert post(f"http://127.0.0.1:{port}/").status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000,
    ],
)
def test_answer_that_is_not_http_is_an_answer_that_did_not_come(answer):
    with raw_server(lambda connection: connection.sendall(answer)) as (port, _), pytest.raises(NotAnswered):
        post(f"http://127.0.0.1:{port}/")


def test_interim_answers_without_an_end_are_an_answer_that_did_not_come():
    def answer(connection):
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with raw_server(answer) as (port, _), pytest.raises(NotAnswered, match="the answer is longer than 65536 bytes"):
        post(f"http://127.0.0.1:{port}/")


def test_answer_through_a_proxy_is_cut_off_too():
    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(answer) as (port, _), pytest.raises(NotAnswered, match="longer than"):
        post("http://10.0.0.1/", Reach(allow_http=True, proxy=f"http://127.0.0.1:{port}"))


def test_answer_in_chunks_of_one_byte_is_cut_off():
    pieces = []

    class Response:
        async def aiter_stream(self):
            while True:
                pieces.append(b"x")
                yield b"x"

    asyncio.run(connection._read_some(Response()))
    assert len(pieces) == connection.MOST_PIECES + 1


def test_interim_answer_is_not_the_answer():
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    with raw_server(lambda connection: connection.sendall(answer)) as (port, _):
        assert post(f"http://127.0.0.1:{port}/").status == 500


def test_connection_is_used_again(tried):
    async def steps():
        connection = Connection(read_url(there.url, HERE), HERE)
        for _ in range(5):
            assert (await connection.post(b"{}", {})).status == 200
        await connection.aclose()

    with receiver() as there:
        asyncio.run(steps())
        assert len(there.seen) == 5
    assert tried == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"timeout": 0}, "more than 0"),
        ({"timeout": True}, "more than 0"),
        ({"allow_http": "no"}, "True or False"),
        ({"proxy": "proxy:8080"}, "http://host:port"),
        ({"ca_file": "/nowhere/roots.pem"}, "cannot be read"),
    ],
)
def test_mistakes_in_the_settings_are_found(settings, says):
    with pytest.raises(ConfigurationError, match=says):
        Reach(**settings)


def test_connections_are_used_again_by_exchanges_that_wait_for_one(tried):
    async def steps():
        made = Connection(read_url(there.url, HERE), HERE, most=2)
        answers = await asyncio.gather(*(made.post(b"{}", {}) for _ in range(9)))
        await made.aclose()
        return [answer.status for answer in answers]

    with receiver() as there:
        assert asyncio.run(steps()) == [200] * 9
    assert len(tried) <= 2


def test_answer_that_came_before_its_request_is_not_counted():
    asked = []

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2)
        while piece := connection.recv(65536):
            asked.append(piece)

    async def steps(port):
        made = Connection(read_url(f"http://127.0.0.1:{port}/", HERE), HERE)
        assert (await made.post(b"{}", {})).status == 200
        with pytest.raises(NotAnswered, match="the answer came before the request"):
            await made.post(b"{}", {})
        assert (await made.post(b"{}", {})).status == 200
        await made.aclose()

    with raw_server(answer) as (port, came):
        asyncio.run(steps(port))
    assert len(came) == 2
    assert asked == []


class EncryptedServer:
    """Answers over TLS on one plain connection; what is written together arrives together."""

    def __init__(self, context, plain):
        self.plain, self.incoming, self.outgoing = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.encrypted = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.until_done(self.encrypted.do_handshake)

    def until_done(self, step, *given):
        while True:
            try:
                return step(*given)
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(65536) or b"")

    def read_request(self):
        read = b""
        while not read.endswith(b"{}"):
            read += self.until_done(self.encrypted.read, 65536)

    def write(self, *records):
        for each in records:
            self.encrypted.write(each)
        self.plain.sendall(self.outgoing.read())


def test_encrypted_answer_that_came_before_its_request_is_not_counted(names, tmp_path):
    options, roots = served(tmp_path, Authority(), "shop.example")
    names.answers["shop.example"] = [["127.0.0.1"]]
    reach = Reach(allow_networks=Networks(LOOPBACK), ca_file=roots)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["ssl_certfile"])
    answers = [[200, 200], [503]]
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while answers:
            plain, _ = listening.accept()
            with plain, suppress(OSError):
                server = EncryptedServer(context, plain)
                server.read_request()
                server.write(*(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status for status in answers.pop(0)))
                plain.settimeout(10)
                while plain.recv(65536):
                    pass

    async def steps(port):
        made = Connection(read_url(f"https://shop.example:{port}/", reach), reach)
        statuses = [(await made.post(b"{}", {})).status for _ in range(2)]
        await made.aclose()
        return statuses

    with listening:
        thread = threading.Thread(target=serve)
        thread.start()
        assert asyncio.run(steps(listening.getsockname()[1])) == [200, 503]
        thread.join()


def test_connection_whose_time_is_over_is_closed(tried, monkeypatch):
    monkeypatch.setattr(connection, "KEPT", -1.0)

    async def steps():
        made = Connection(read_url(there.url, HERE), HERE)
        await asyncio.gather(*(made.post(b"{}", {}) for _ in range(3)))
        await made.post(b"{}", {})
        kept = len(made._idle)
        await made.aclose()
        return kept

    with receiver() as there:
        assert asyncio.run(steps()) == 1
    assert len(tried) == 4


def test_connection_of_an_exchange_that_failed_is_not_used_again():
    async def steps(port):
        made = Connection(read_url(f"http://127.0.0.1:{port}/", HERE), HERE)
        for _ in range(2):
            with pytest.raises(NotAnswered, match="no answer within"):
                await made.post(b"{}", {}, timeout=0.2)
        await made.aclose()

    silent = threading.Event()
    with raw_server(lambda _: silent.wait(60)) as (port, came):
        asyncio.run(steps(port))
        silent.set()
    assert len(came) == 2


def test_request_is_written_in_one_piece(monkeypatch):
    from anyio._backends._asyncio import SocketStream

    written, real = [], SocketStream.send

    async def counted(self, item):
        written.append(item)
        await real(self, item)

    monkeypatch.setattr(SocketStream, "send", counted)
    with receiver() as there:
        assert post(there.url, body=b"x" * 5000).status == 200
        assert there.seen[0].body == b"x" * 5000
    assert len(written) == 1


def test_connection_that_the_receiver_has_closed_is_not_used_again():
    closed = threading.Event()

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()
        closed.set()

    async def steps(port):
        made = Connection(read_url(f"http://127.0.0.1:{port}/", HERE), HERE)
        for _ in range(3):
            closed.clear()
            assert (await made.post(b"{}", {})).status == 200
            await asyncio.to_thread(closed.wait, 60)
        await made.aclose()

    with raw_server(answer) as (port, log):
        asyncio.run(steps(port))
    assert len(log) == 3
