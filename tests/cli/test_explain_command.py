"""The command ``explain``: every format of a saved delivery, the verdicts, and the exit status."""

import json

import pytest

click = pytest.importorskip("click", reason="the commands need the extra cli")

from click.testing import CliRunner

from hookguard import Delivery, presets
from hookguard.cli.app import hookguard
from hookguard.cli.inputs import dump_delivery
from hookguard.cli.saved import read_saved

SECRET = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
BODY = '{"id": "evt_1", "note": "naïve"}'.encode()


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_SECRET", SECRET)

    def run(raw, *words, preset="stripe"):
        (tmp_path / "saved").write_bytes(raw)
        return CliRunner().invoke(hookguard, ["explain", preset, "saved", "--secret-env", "STRIPE_SECRET", *words])

    return run


@pytest.fixture
def identified(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENDER_SECRET", SECRET)

    def run(delivery, *words):
        (tmp_path / "saved").write_bytes(raw_http(delivery))
        return CliRunner().invoke(hookguard, ["explain", "--unknown", "saved", "--secret-env", "SENDER_SECRET", *words])

    return run


def signed(preset="stripe", **more):
    return presets.get(preset).sign(BODY, SECRET, **more)


def raw_http(delivery, end=b"\r\n"):
    head = [b"POST /hooks/one?a=1 HTTP/1.1", b"Host: example.com"]
    head += [f"{name}: {value}".encode() for name, value in delivery.headers.items()]
    return end.join(head) + end + end + delivery.body


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_raw_http_is_read_byte_for_byte(run, end):
    result = run(raw_http(signed(), end))
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "genuine")
    broken = signed()
    result = run(raw_http(broken._replace(body=BODY + b"\n"), end))
    assert result.exit_code == 1
    assert "explained: signature_mismatch" in result.output
    assert "body_whitespace_added (proved)" in result.output
    assert "do this: " in result.output
    assert "hypotheses tried" in result.output


def test_raw_http_has_the_url_and_the_target():
    saved = read_saved(raw_http(signed()))
    assert (saved.delivery.url, saved.target, saved.delivery.method) == (
        "https://example.com/hooks/one?a=1",
        "/hooks/one?a=1",
        "POST",
    )
    assert saved.delivery.body == BODY


def test_curl_command_is_read(run):
    delivery = signed()
    headers = " ".join(f"-H '{name}: {value}'" for name, value in delivery.headers.items())
    command = f"curl -sS -X POST \\\n  {headers} --data-raw '{BODY.decode()}' 'https://example.com/hooks?a=1'"
    result = run(command.encode())
    assert result.exit_code == 0, result.output
    changed = run(command.replace("evt_1", "evt_2").encode())
    assert changed.exit_code == 3
    assert "no_match" in changed.output
    assert "caution: a curl command holds text" in changed.output


@pytest.mark.parametrize(
    ("words", "method", "body", "url"),
    [
        ("https://example.com/x", "GET", b"", "https://example.com/x"),
        ("-d a=1 -d b=2 --url=https://example.com/x", "POST", b"a=1&b=2", "https://example.com/x"),
        ("--json '{}' https://example.com/x --compressed -m 3", "POST", b"{}", "https://example.com/x"),
        ("--data-urlencode 'a=b c' https://example.com/x", "POST", b"a=b+c", "https://example.com/x"),
    ],
)
def test_options_of_curl_are_read(words, method, body, url):
    found = read_saved(f"curl {words}".encode()).delivery
    assert (found.method, found.body, found.url) == (method, body, url)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"curl -d @body.json https://example.com", "reads its body from a file"),
        (b"curl --next https://example.com", "which is not supported"),
        (b"curl -X", "no value for -X"),
        (b"curl 'open", "cannot be read"),
        (b"POST /x HTTP/1.1\r\nHost: x", "no empty line"),
        (b"POST /x HTTP/1.1\r\nbad line\r\n\r\n", "line 2 of the raw HTTP is not a header"),
        (b"POST http://[ HTTP/1.1\r\n\r\n", "the URL is not valid"),
        (b"curl 'http://[' -d '{}'", "the URL is not valid"),
        (b"curl https://example.com --data-raw $'{}'", "quotes with $'"),
        (b"[" * 200_000, "not a saved delivery"),
        (b'{"headers": {}, "body": ' + b"[" * 200_000, "not a saved delivery"),
        (b'{"headers": {"stripe-signature": 5}, "body": "{}"}', "must be strings"),
        (b'{"headers": [[1, "a"]], "body": "{}"}', "must be strings"),
        (b'{"headers": {}, "body": "{}", "url": "http://["}', "the URL is not valid"),
        (b'{"log": {"entries": [{"request": {"method": 5, "url": "https://x/", "headers": []}}]}}', "cannot be read (TypeError)"),
        (b"\xff\xfe", "neither raw HTTP nor text"),
        (b"hello", "not a saved delivery"),
        (b'{"log": {"entries": []}}', "0 entries"),
        (b'{"log": {"entries": [{}]}}', "cannot be read (KeyError)"),
    ],
)
def test_file_that_cannot_be_read_is_a_usage_error(run, raw, message):
    result = run(raw)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /x HTTP/1.1\r\nhost: x\r\nhunter2\r\n\r\n",
        b"curl https://example.com -uzoe:hunter2",
        b"curl https://example.com --user=zoe:hunter2",
        b"curl https://example.com -hunter2",
        "curl 'https://zoe:hunter2@\u2100/'".encode(),
    ],
)
def test_error_message_shows_nothing_of_a_line_or_value(run, raw):
    result = run(raw)
    assert result.exit_code == 2, result.output
    assert "hunter2" not in result.output


@pytest.mark.parametrize("text", ["cost: $", "it's $", 'a "b $'])
def test_dollar_sign_within_quotation_marks_is_read(text):
    for quoted in ("'" + text.replace("'", "'\\''") + "'", '"' + text.replace('"', '\\"') + '"'):
        assert read_saved(f"curl https://example.com -d {quoted}".encode()).delivery.body == text.encode()


@pytest.mark.parametrize("character", ["\x85", "\x0b", "\x0c", "\x1c", "\u2028"])
def test_only_a_line_break_ends_a_line_of_raw_http(character):
    raw = f"POST /x HTTP/1.1\r\nX-One: a{character}b{character}\r\nX-Two: c\n\n{{}}".encode()
    headers = read_saved(raw).delivery.headers
    assert headers["x-one"].encode("latin-1").decode() == f"a{character}b{character}"
    assert headers["x-two"] == "c"


def test_raw_http_without_headers_is_read():
    assert read_saved(b"GET /x HTTP/1.1\r\n\r\n").target == "/x"


def har(delivery, **posted):
    headers = [{"name": name, "value": value} for name, value in delivery.headers.items()]
    request = {"method": "POST", "url": "https://example.com/hooks?a=1", "headers": headers, "postData": posted}
    return json.dumps(
        {"log": {"entries": [{"request": {"method": "GET", "url": "https://x/", "headers": []}}, {"request": request}]}}
    )


def test_har_file_is_read(run):
    assert run(har(signed(), text=BODY.decode()).encode(), "--entry", "2").exit_code == 0
    assert run(har(signed(), text="e30=", encoding="base64").encode(), "--entry", "2").exit_code == 3
    assert read_saved(har(signed(), text="e30=", encoding="base64").encode(), 2).delivery.body == b"{}"


def test_own_json_is_read(run):
    assert run(dump_delivery(signed()).encode()).exit_code == 0


def test_json_has_the_verdict_and_the_findings(run):
    result = run(dump_delivery(signed()._replace(body=BODY + b"\n")).encode(), "--json")
    found = json.loads(result.output)
    assert (found["version"], found["verdict"], found["refusal"], found["finished"]) == (
        1,
        "explained",
        "signature_mismatch",
        True,
    )
    assert [each["code"] for each in found["findings"]] == ["body_whitespace_added"]
    assert set(found["findings"][0]) == {"code", "kind", "sentence", "detail", "todo"}
    assert found["calls"] > 0


def test_suspicion_is_a_verdict_of_its_own(run):
    delivery = signed(headers={"Content-Length": str(len(BODY))})
    found = json.loads(run(dump_delivery(delivery._replace(body=BODY[:20])).encode(), "--json").output)
    assert (found["verdict"], found["findings"][0]["code"]) == ("suspected", "body_truncated")


def test_age_is_checked_at_the_given_moment_only(run):
    old = dump_delivery(signed(timestamp=1_700_000_000)).encode()
    assert run(old).exit_code == 0
    late = run(old, "--at", "1700003600")
    assert late.exit_code == 1
    assert "delivered_late (fact)" in late.output


def test_url_that_the_file_lacks_can_be_given(run):
    delivery = presets.TRELLO.sign(BODY, SECRET, url="https://example.com/hooks")
    bare = Delivery(delivery.body, delivery.headers)
    result = run(dump_delivery(bare).encode(), "--url", "http://example.com/hooks", preset="trello")
    assert "url_scheme (proved)" in result.output
    assert run(dump_delivery(bare).encode(), "--url", "https://example.com/hooks", preset="trello").exit_code == 0


def test_secret_and_signature_are_never_printed(run):
    for raw in (dump_delivery(signed()._replace(body=BODY + b"\n")), dump_delivery(signed()._replace(body=b"{}"))):
        for words in ((), ("--json",)):
            output = run(raw.encode(), *words).output
            assert SECRET[6:] not in output
            assert signed().headers["stripe-signature"][-20:] not in output
            assert "evt_1" not in output


def test_unknown_sender_is_named_and_declared(identified):
    result = identified(signed("dropbox"))
    assert result.exit_code == 0
    first, *_ = result.output.splitlines()
    assert first == "# genuine: the preset dropbox fits"
    assert "If the sender is not dropbox, declare a preset of your own:" in result.output
    assert "SENDER = Preset(" in result.output


def test_unknown_sender_with_a_changed_body_exits_with_1(identified):
    result = identified(signed("dropbox")._replace(body=BODY + b"\n"))
    assert result.exit_code == 1
    assert "explained: the preset dropbox fits" in result.output
    assert "body_whitespace_added (proved)" in result.output


def test_output_for_an_unknown_sender_is_a_module(identified):
    names = {}
    exec(identified(signed("dropbox")).output, names)
    assert names["SENDER"].name == "sender"


def test_delivery_without_a_cause_is_not_explained(run):
    result = run(dump_delivery(presets.STRIPE.sign(BODY, "whsec_T3N9TqR90Mwf9PQxLPlbZnVyrfOcEYbI")).encode())
    assert result.exit_code == 3
    assert result.output.startswith("not explained: signature_mismatch: ")


def test_unknown_sender_with_another_secret_exits_with_3(identified):
    result = identified(presets.GITHUB.sign(BODY, "another-secret-000000000"))
    assert (result.exit_code, result.output.splitlines()[0]) == (3, "not explained")
    assert "no_match" in result.output


def test_unknown_sender_in_json(identified):
    found = json.loads(identified(signed("github"), "--json").output)
    assert (found["version"], found["verdict"], found["finished"], found["findings"]) == (1, "genuine", True, [])
    assert "github" in found["presets"]
    assert found["declaration"].startswith("from hookguard import ")


def test_output_for_an_unknown_sender_shows_no_secret_and_no_signature(identified):
    for delivery in (signed("github"), Delivery(BODY, {"X-Key": SECRET, "X-Sig": f"key={SECRET}:" + "0" * 64})):
        for words in ((), ("--json",)):
            output = identified(delivery, *words).output
            assert SECRET not in output
            assert delivery.headers.get("x-hub-signature-256", SECRET)[-20:] not in output
            assert "evt_1" not in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--unknown", "stripe", "saved"], "give FILE alone"),
        (["saved"], "give PRESET and FILE"),
        (["--unknown", "missing.http"], "does not exist"),
        (["--unknown", "saved", "--at", "5"], "--at has no effect with --unknown"),
    ],
)
def test_wrong_arguments_are_a_usage_error(run, words, message):
    run(raw_http(signed()))
    result = CliRunner().invoke(hookguard, ["explain", "--secret-env", "STRIPE_SECRET", *words])
    assert result.exit_code == 2
    assert message in result.output
