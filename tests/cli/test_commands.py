import json
import subprocess
import sys

import pytest

pytest.importorskip("click", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

from click.testing import CliRunner

from hookguard import presets
from hookguard.cli.app import hookguard
from hookguard.cli.inputs import dump_delivery, load_delivery
from hookguard.cli.providers_page import duration

SECRET = "a-secret-that-is-long-enough"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words, stdin=None):
        return CliRunner().invoke(hookguard, list(words), input=stdin)

    return run


def test_presets_lists_every_preset(run):
    result = run("presets")
    assert result.exit_code == 0
    for name in presets.names():
        assert name in result.output


def test_presets_as_json_has_the_facts(run):
    rows = {row["name"]: row for row in json.loads(run("presets", "--json").output)}
    assert rows["stripe"]["id_signed"] == "yes"
    assert rows["github"]["identity"] == "content"
    assert rows["slack"]["challenge"] == "yes"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0, "never"), (5, "5 s"), (300, "5 min"), (5400, "1.5 h"), (259200, "3 d")]
)
def test_durations_are_written_for_people(seconds, text):
    assert duration(seconds) == text


#: One of each kind; every preset's signing and verifying is tested where the library's own tests are.
KINDS = ["github", "stripe", "slack", "shopify", "gitlab-token", "square", "twitch", "zendesk", "workos", "meta"]


@pytest.mark.parametrize("name", KINDS)
def test_what_sign_saves_verify_finds_genuine(run, tmp_path, name):
    body = '{"id":"evt_1","event_id":"evt_1","type":"t","entry":[{"id":"evt_1"}]}'
    signed = run(
        "sign", name, "--secret", SECRET, "--body", body, "--id", "evt_1", "--type", "t", "--format", "json", "--url", "/x"
    )
    assert signed.exit_code == 0, signed.output
    (tmp_path / "saved.json").write_text(signed.output)
    result = run("verify", name, "saved.json", "--secret", SECRET)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("genuine")


def test_verify_says_why_it_refuses_and_exits_with_1(run, tmp_path):
    delivery = presets.STRIPE.sign(b'{"id":"evt_1"}\n', SECRET, timestamp=1_700_000_000)
    (tmp_path / "saved.json").write_text(dump_delivery(delivery))
    stale = run("verify", "stripe", "saved.json", "--secret", SECRET)
    assert stale.exit_code == 1
    assert "TimestampOutOfTolerance" in stale.output
    assert "--any-age" in stale.output
    assert run("verify", "stripe", "saved.json", "--secret", SECRET, "--any-age").exit_code == 0
    assert run("verify", "stripe", "saved.json", "--secret", SECRET, "--at", "1700000010").exit_code == 0
    wrong = run("verify", "stripe", "saved.json", "--secret", "another-secret-of-20-chars")
    assert wrong.exit_code == 1
    assert "SignatureMismatch" in wrong.output
    assert "line break" in wrong.output


def test_verify_names_the_provider_whose_header_is_there(run, tmp_path):
    (tmp_path / "saved.json").write_text(dump_delivery(presets.GITHUB.sign(b"{}", SECRET)))
    result = run("verify", "stripe", "saved.json", "--secret", SECRET)
    assert result.exit_code == 1
    assert "signature header of github" in result.output


def test_verify_reads_standard_input(run):
    saved = dump_delivery(presets.GITHUB.sign(b"{}", SECRET))
    assert run("verify", "github", "-", "--secret", SECRET, stdin=saved).exit_code == 0


def test_verify_names_every_event_of_a_delivery(run):
    def verified(events):
        saved = dump_delivery(presets.GOCARDLESS.sign(json.dumps({"events": events}).encode(), SECRET))
        return run("verify", "gocardless", "-", "--secret", SECRET, stdin=saved)

    result = verified([{"id": "EV1", "resource_type": "payments", "action": "paid"}, {"id": "EV2"}])
    assert result.exit_code == 0, result.output
    assert [line.split()[-1] for line in result.output.splitlines() if line.startswith("genuine")] == ["EV1", "EV2"]
    assert "genuine" in verified([]).output
    assert "MissingEventId" in verified([{"id": "EV1"}, {}]).output


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"headers": 1, "body": ""}',
        '{"headers": [["a"]], "body": ""}',
        '{"headers": {}, "body": 5}',
        '{"headers": {}, "body_base64": "!"}',
    ],
)
def test_a_file_that_is_no_delivery_gets_a_sentence(run, text):
    result = run("verify", "github", "-", "--secret", SECRET, stdin=text)
    assert result.exit_code == 2
    assert "saved delivery" in result.output


def test_binary_bodies_survive_saving():
    delivery = presets.GITHUB.sign(b"\xff\x00", SECRET)
    assert load_delivery(dump_delivery(delivery)) == delivery


def test_secrets_can_come_from_the_environment(run, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    given = run("sign", "github", "--secret-env", "HOOK_SECRET", "--body", "{}").output
    assert given == run("sign", "github", "--secret", SECRET, "--body", "{}").output
    assert "x-hub-signature-256" in given
    assert run("sign", "github", "--secret-env", "NOT_THERE", "--body", "{}").exit_code == 2


def test_sign_takes_the_body_from_a_file_or_standard_input(run, tmp_path):
    (tmp_path / "body.json").write_bytes(b"{}")
    expected = run("sign", "github", "--secret", SECRET, "--body", "{}").output
    assert run("sign", "github", "--secret", SECRET, "--body-file", "body.json").output == expected
    assert run("sign", "github", "--secret", SECRET, stdin="{}").output == expected
    assert run("sign", "github", "--secret", SECRET, "--body", "{}", "--body-file", "body.json").exit_code == 2


def test_sign_writes_a_curl_command(run):
    output = run("sign", "github", "--secret", SECRET, "--body", "it's", "--url", "http://127.0.0.1/x", "--format", "curl").output
    assert output.startswith("curl -X POST http://127.0.0.1/x")
    assert "x-hub-signature-256: sha256=" in output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sign", "gitub", "--secret", SECRET, "--body", "{}"], "did you mean 'github'"),
        (["sign", "github", "--body", "{}"], "give a secret"),
        (["sign", "github", "--secret", "short", "--body", "{}"], "could be guessed"),
        (["sign", "github", "--secret", SECRET, "--body", "{}", "--header", "nonsense"], "is not a header"),
        (["sign", "github", "--secret", SECRET, "--secret", "another-secret-of-20-chars", "--body", "{}"], "one signature"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, words, says):
    result = run(*words)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_version(run):
    from hookguard.version import __version__

    assert __version__ in run("--version").output


def test_without_the_extra_the_command_says_how_to_install_it():
    code = "import sys; sys.modules['click'] = None; from hookguard.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'hookguard-webhooks[cli]'" in result.stderr
