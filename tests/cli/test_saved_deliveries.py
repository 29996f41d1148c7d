"""``hookguard listen --save``: files that ``explain``, ``verify`` and ``send`` read, byte for byte, for their owner alone."""

import asyncio
import gzip
import http.client
import re
import stat
from urllib.parse import urlsplit

import pytest

for _name in ("click", "rich", "uvicorn", "httpx", "anyio"):
    pytest.importorskip(_name, reason="the listener needs the extra demo")

import click
from click.testing import CliRunner
from test_servers import SECRET, listening

from hookguard import presets
from hookguard.cli.app import hookguard
from hookguard.cli.saved import read_saved
from hookguard.cli.saving import Folder, SavingApp

BODY = b'{"id": "evt_1",\r\n\t"note": "na\xc3\xafve"}\r\n\r\n'


def post(url, delivery, *, chunked=False, path="/hooks/one?a=1&b=%20"):
    """The status of the answer to a delivery, sent with the library's own client: no header is changed."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    body = iter([delivery.body[:7], delivery.body[7:]]) if chunked else delivery.body
    connection.request(delivery.method, path, body, dict(delivery.headers.items()), encode_chunked=chunked)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def run(*words):
    return CliRunner().invoke(hookguard, list(words))


def test_saved_files_are_read_by_explain_verify_and_send(tmp_path):
    folder = tmp_path / "deliveries"
    genuine, forged = presets.STRIPE.sign(BODY, SECRET), presets.STRIPE.sign(BODY, "another-secret-of-20-chars")
    with listening("stripe", tmp_path, "--save", str(folder)) as (url, printed):
        assert post(url, genuine) == 200
        assert post(url, forged) == 401
        first, second = sorted(folder.iterdir())
        saved = read_saved(first.read_bytes())
        assert (saved.delivery.body, saved.target, saved.delivery.method) == (BODY, "/hooks/one?a=1&b=%20", "POST")
        assert saved.delivery.headers["stripe-signature"] == genuine.headers["stripe-signature"]

        assert run("explain", "stripe", str(first), "--secret", SECRET).exit_code == 0
        assert run("explain", "stripe", str(second), "--secret", SECRET).exit_code == 3
        assert run("verify", "stripe", str(first), "--secret", SECRET).exit_code == 0
        assert run("verify", "stripe", str(second), "--secret", SECRET).exit_code == 1

        again = run("send", url, "--saved", str(first))
        assert (again.exit_code, again.output.splitlines()[0]) == (0, "200 OK"), again.output
        assert "hookguard-duplicate: 1" in again.output
        assert run("send", url, "--saved", str(second)).output.startswith("401")
        # The body of the forged one, signed with the right secret: a duplicate of the first.
        signed = run("send", url, "stripe", "--saved", str(second), "--secret", SECRET)
        assert (signed.exit_code, "hookguard-duplicate: 1" in signed.output) == (0, True), signed.output
    output = "".join(printed)
    assert f"saved as {first}" in output
    assert SECRET not in output


def test_each_file_is_new_and_for_its_owner_alone(tmp_path):
    folder = tmp_path / "new" / "deliveries"
    with listening("stripe", tmp_path, "--save", str(folder)) as (url, _):
        for number in range(3):
            post(url, presets.STRIPE.sign(b'{"id": "evt_%d"}' % number, SECRET))
    files = sorted(folder.iterdir())
    assert [read_saved(file.read_bytes()).delivery.body[-3:-2] for file in files] == [b"0", b"1", b"2"]
    assert all(re.fullmatch(r"\d{8}-\d{6}-\d{4}\.http", file.name) for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("chunked", [False, True])
def test_body_is_kept_byte_for_byte(chunked, tmp_path):
    body = gzip.compress(bytes(range(256)) * 8)
    headers = {"Content-Type": "application/octet-stream", "X-Odd": "caf\xe9"}
    with listening("dropbox", tmp_path, "--save", str(tmp_path / "saved")) as (url, _):
        assert post(url, presets.DROPBOX.sign(body, SECRET, headers=headers), chunked=chunked) == 200
        (file,) = (tmp_path / "saved").iterdir()
        delivery = read_saved(file.read_bytes()).delivery
        assert (delivery.body, delivery.headers["x-odd"]) == (body, "caf\xe9")
        assert run("send", url, "--saved", str(file)).exit_code == 0
    assert min((tmp_path / "saved").iterdir()) == file


def test_event_id_in_a_header_stays_when_the_body_is_signed_once_more(tmp_path):
    # The id is signed: with another one this would be another event.
    first = presets.INCREASE.sign(b"{}", SECRET, id="msg_77", timestamp=1_700_000_000)
    lines = [b"POST /in HTTP/1.1", *(f"{name}: {value}".encode() for name, value in first.headers.items())]
    (tmp_path / "old.http").write_bytes(b"\r\n".join(lines) + b"\r\n\r\n{}")
    with listening("increase", tmp_path) as (url, printed):
        stale = run("send", url, "--saved", str(tmp_path / "old.http"))
        assert (stale.exit_code, stale.output.splitlines()[0][:3]) == (1, "401")
        again = run("send", url, "increase", "--secret", SECRET, "--saved", str(tmp_path / "old.http"))
        assert again.exit_code == 0, again.output
    assert "msg_77" in "".join(printed)


def test_folder_that_others_may_write_to_is_rejected(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    result = run("listen", "stripe", "--secret", SECRET, "--save", str(folder))
    assert result.exit_code == 2
    assert "other users may replace files in it" in result.output


def test_file_in_place_of_a_folder_is_rejected(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("listen", "stripe", "--secret", SECRET, "--save", str(path))
        assert result.exit_code == 2
        assert "--save" in result.output


def test_existing_file_or_link_is_never_written_to(tmp_path):
    folder = Folder(tmp_path / "saved")
    first = folder.write(b"one")
    other = Folder(tmp_path / "saved")
    other._numbers = iter([int(first.stem[-4:]), 2, 3])
    target = tmp_path / "target"
    first.with_name(first.name.replace("-0001", "-0002")).symlink_to(target)
    written = other.write(b"two")
    assert first.read_bytes() == b"one"
    assert written.read_bytes() == b"two"
    assert not target.exists()


def test_disk_that_fails_does_not_stop_the_delivery(tmp_path):
    class Full(Folder):
        def write(self, raw):
            raise OSError(28, "No space left on device")

    seen, said = served(Full(tmp_path), [b"abc"], largest=10)
    assert (seen, said) == (b"abc", ["not saved: No space left on device"])


def test_body_over_the_limit_is_passed_on_and_not_saved(tmp_path):
    seen, said = served(Folder(tmp_path / "saved"), [b"a" * 8, b"b" * 8, b"c" * 8], largest=10)
    assert seen == b"a" * 8 + b"b" * 8 + b"c" * 8
    assert said == ["not saved: the body has more than 10 bytes"]
    assert list((tmp_path / "saved").iterdir()) == []


def test_request_that_is_cut_off_is_passed_on_and_not_saved(tmp_path):
    seen, said = served(Folder(tmp_path / "saved"), [b"a"], largest=10, cut=True)
    assert (seen, said) == (None, ["not saved: the sender closed the connection"])


def served(folder, chunks, *, largest, cut=False):
    """The body that an application behind SavingApp reads (None if the sender disconnected), and what was said."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})
    said, seen = [], []

    async def receive():
        return messages.pop(0)

    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return seen.append(None)
            body, more = body + message["body"], message["more_body"]
        return seen.append(body)

    scope = {"type": "http", "method": "POST", "path": "/in", "query_string": b"", "headers": []}
    asyncio.run(SavingApp(app, folder, largest, said.append)(scope, receive, None))
    return seen[0], said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://127.0.0.1:1/"], "give PRESET, or a delivery with --saved"),
        (["http://127.0.0.1:1/", "--saved", "one", "--secret", SECRET], "leave the other options out"),
        (["http://127.0.0.1:1/", "stripe", "--saved", "one", "--body", "{}", "--secret", SECRET], "not both"),
    ],
)
def test_wrong_words_of_send_are_a_usage_error(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").write_bytes(b"POST / HTTP/1.1\r\n\r\n{}")
    result = run("send", *words)
    assert result.exit_code == 2
    assert message in result.output


def test_folder_is_checked_by_its_own_class(tmp_path):
    with pytest.raises(click.UsageError, match="cannot be used"):
        Folder(tmp_path / "a" / ("b" * 300))
