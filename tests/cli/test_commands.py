import base64
import json
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("click", reason="the command line needs the extra cli")
pytest.importorskip("rich", reason="the command line needs the extra cli")

from click.testing import CliRunner

from hookguard import presets
from hookguard.cli import sign
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
    assert rows["github"]["identity"] == "id+content"
    assert rows["slack"]["challenge"] == "yes"


def test_presets_as_json_has_durations_as_numbers_and_says_which_are_assumed(run):
    rows = {row["name"]: row for row in json.loads(run("presets", "--json").output)}
    assert (rows["stripe"]["tolerance_seconds"], rows["github"]["tolerance_seconds"]) == (300, None)
    assert (rows["stripe"]["horizon_seconds"], rows["stripe"]["horizon_assumed"]) == (3 * 86400, False)
    assumed = next(preset for preset in presets.BUILT_IN if preset.facts and not preset.facts.horizon.confirmed)
    row = rows[assumed.name]
    assert (row["horizon_seconds"], row["horizon_assumed"]) == (assumed.facts.horizon.value, True)
    assert (rows["twilio"]["timeout_seconds"], rows["twilio"]["timeout_assumed"]) == (15, False)
    assert (rows["stripe"]["timeout_seconds"], rows["stripe"]["timeout_assumed"]) == (None, False)
    assert (rows["signed-url"]["horizon_seconds"], rows["signed-url"]["horizon_assumed"]) == (None, False)
    assert (rows["github"]["lease_seconds"], rows["github"]["retention_seconds"]) == (60, 7 * 86400)


def test_one_preset_in_rows_as_json_and_as_a_page(run):
    lines = [line.split(maxsplit=1) for line in run("presets", "twilio").output.splitlines()]
    assert lines[0] == ["twilio:", "Twilio"]
    assert ["waits", "15 s"] in lines
    assert ["tolerance", "- (no time is signed)"] in lines
    assert ["*", "not stated by the provider's own pages"] in lines
    assert json.loads(run("presets", "twilio", "--json").output)["name"] == "twilio"
    page = run("presets", "twilio", "--markdown").output
    assert "## twilio" in page
    assert "## stripe" not in page
    for name in presets.names():
        assert run("presets", name).output.startswith(name), name
    missing = run("presets", "twillio")
    assert missing.exit_code == 2
    assert "did you mean 'twilio'" in missing.output


def test_the_table_cuts_nothing_and_a_pipe_gets_each_preset_on_one_line(run, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    piped = run("presets").output
    assert "…" not in piped
    [line] = [line for line in piped.splitlines() if " twilio " in line]
    assert presets.TWILIO.scheme.what in line
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert "…" not in run("presets").output


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A distribution whose preset is gone, and one whose module cannot be imported."""
    (tmp_path / "acme_hooks.py").write_text("")
    (tmp_path / "ruin_hooks.py").write_text("1 / 0")
    for name, value in (("acme", "acme_hooks:ACME"), ("ruin", "ruin_hooks:RUIN")):
        info = tmp_path / f"{name}_hooks-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-hooks\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hookguard.presets]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_hooks", None)


@pytest.mark.usefixtures("broken")
def test_a_package_that_is_broken_breaks_nothing_else(run):
    listed = run("presets")
    assert listed.exit_code == 0
    assert presets.STRIPE.scheme.what.replace("`", "") in listed.output
    assert (
        "preset 'acme' cannot be loaded: acme-hooks's entry point acme = acme_hooks:ACME raised AttributeError" in listed.stderr
    )
    assert "ruin-hooks's entry point ruin = ruin_hooks:RUIN raised ZeroDivisionError" in listed.stderr
    assert any("acme" in line and "cannot be loaded" in line for line in listed.stdout.splitlines())
    rows = {row["name"]: row for row in json.loads(run("presets", "--json").stdout)}
    assert "cannot be loaded" in rows["acme"]["error"]
    assert "error" not in rows["stripe"]
    assert "## stripe" in run("presets", "--markdown").stdout
    rejected = run("verify", "stripe", "-", "--secret", SECRET, stdin=dump_delivery(presets.GITHUB.sign(b"{}", SECRET)))
    assert rejected.exit_code == 1
    assert "other_preset (proved)" in rejected.output


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("words", [["presets", "acme"], ["sign", "acme", "--secret", SECRET, "--body", "{}"]])
def test_a_preset_of_a_broken_package_is_rejected_in_a_sentence(run, words):
    result = run(*words)
    assert result.exit_code == 2
    assert "acme-hooks's entry point acme = acme_hooks:ACME raised AttributeError" in result.output
    assert "upgrade acme-hooks or uninstall it" in result.output


def test_presets_say_what_signs_the_id(run):
    kinds = {row["name"]: row["id_signed"] for row in json.loads(run("presets", "--json").output)}
    for name in ("adyen", "mailgun", "plaid", "plaid-sandbox", "dingtalk", "wecom", "mercado-pago", "paypal"):
        assert kinds[name] == "yes", name
    for name in ("github", "shopify"):
        assert kinds[name] == "no", name
    # A token, or a signature over the time alone: with it, any event is believed under any id.
    assert {name for name, kind in kinds.items() if kind == "body unsigned"} == {
        *("chargebee", "dingtalk-robot", "event-grid", "flutterwave-v3", "gitlab-token", "google-pubsub", "lark-token"),
        *("microsoft-graph", "monday", "okta", "telegram", "xendit"),
    }
    # No id is looked for.
    for name in ("dropbox", "grafana", "adyen-platform"):
        assert kinds[name] == "-", name


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0, "never"), (5, "5 s"), (300, "5 min"), (5400, "1.5 h"), (259200, "3 d")]
)
def test_durations_are_written_for_people(seconds, text):
    assert duration(seconds) == text


#: One of each kind; every preset's signing and verifying is tested where the library's own tests are.
KINDS = ["github", "stripe", "slack", "shopify", "gitlab-token", "square", "twitch", "zendesk", "workos", "meta"]


@pytest.mark.parametrize("name", KINDS)
def test_verify_accepts_a_delivery_that_sign_saved(run, tmp_path, name):
    body = '{"id":"evt_1","event_id":"evt_1","type":"t","entry":[{"id":"evt_1"}]}'
    named = ("--id", "evt_1") if name in ("github", "shopify", "gitlab-token", "twitch") else ()
    named += ("--type", "t") if name in ("github", "shopify", "gitlab-token") else ()
    signed = run("sign", name, "--secret", SECRET, "--body", body, *named, "--format", "json", "--url", "/x")
    assert signed.exit_code == 0, signed.output
    (tmp_path / "saved.json").write_text(signed.output)
    result = run("verify", name, "saved.json", "--secret", SECRET)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("genuine")


def test_verify_says_why_it_rejects_and_exits_with_1(run, tmp_path):
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
    assert "line break" not in wrong.output
    added = dump_delivery(delivery._replace(body=delivery.body + b"\n"))
    assert "body_whitespace_added (proved)" in run("verify", "stripe", "-", "--secret", SECRET, "--any-age", stdin=added).output


def test_verify_names_the_provider_whose_header_is_there(run, tmp_path):
    (tmp_path / "saved.json").write_text(dump_delivery(presets.GITHUB.sign(b"{}", "a secret of github only")))
    result = run("verify", "stripe", "saved.json", "--secret", SECRET)
    assert result.exit_code == 1
    assert "other_provider (fact)" in result.output
    assert "github" in result.output


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
    assert "genuine: event sha256:" in verified([{"id": "EV1"}, {}]).output


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
def test_a_file_without_a_delivery_gets_a_sentence(run, text):
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


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_secrets_can_come_from_a_file_or_standard_input(run, tmp_path, ending):
    (tmp_path / "secret.txt").write_bytes(f"{SECRET}{ending}".encode())
    expected = run("sign", "github", "--secret", SECRET, "--body", "{}").output
    assert run("sign", "github", "--secret-file", "secret.txt", "--body", "{}").output == expected
    assert run("sign", "github", "--secret-file", "-", "--body", "{}", stdin=f"{SECRET}{ending}").output == expected
    (tmp_path / "saved.json").write_text(dump_delivery(presets.GITHUB.sign(b"{}", SECRET)))
    assert run("verify", "github", "saved.json", "--secret-file", "-", stdin=SECRET).exit_code == 0


def test_a_secret_file_that_cannot_be_read_is_a_usage_error(run, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for file in ("missing", "binary"):
        assert run("sign", "github", "--secret-file", file, "--body", "{}").exit_code == 2


def test_a_secret_and_a_body_cannot_both_come_by_standard_input(run):
    for arguments in (["sign", "github", "--secret-file", "-"], ["verify", "github", "-", "--secret-file", "-"]):
        result = run(*arguments, stdin=SECRET)
        assert result.exit_code == 2
        assert "both read standard input" in result.output


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
    ("name", "body", "content_type"),
    [
        ("twilio", "MessageSid=SM1&Body=hello", "application/x-www-form-urlencoded"),
        ("slack", "command=%2Fweather&trigger_id=1", "application/x-www-form-urlencoded"),
        ("github", "payload=%7B%7D", "application/x-www-form-urlencoded"),
        ("twilio", '{"a": 1}', "application/json"),
        ("slack", '{"type": "t", "event_id": "1"}', "application/json"),
        ("twilio", "", "application/json"),
        ("stripe", "no json", "application/json"),  # sends none but JSON, so that this is a mistake to be seen
    ],
)
def test_a_body_without_json_is_a_form_where_the_provider_sends_forms(run, name, body, content_type):
    lines = run("sign", name, "--secret", SECRET, "--body", body, "--url", "https://x/").output.splitlines()
    assert f"Content-Type: {content_type}" in lines
    own = run("sign", name, "--secret", SECRET, "--body", body, "--url", "https://x/", "--header", "Content-Type: text/plain")
    assert "content-type: text/plain" in own.output.splitlines()


def test_a_form_to_twilio_is_signed_as_one(run):
    output = run("sign", "twilio", "--secret", SECRET, "--body", "A=1", "--url", "https://x/").output
    assert "bodySHA256" not in output
    signed = presets.TWILIO.sign(b"A=1", SECRET, url="https://x/", headers={"content-type": "application/x-www-form-urlencoded"})
    assert f"x-twilio-signature: {signed.headers['x-twilio-signature']}" in output


def test_a_form_has_one_content_type(run):
    pytest.importorskip("cryptography")
    output = run("sign", "paytm", "--secret", "0123456789abcdef", "--body", "ORDERID=1").output
    assert output.lower().count("content-type") == 1


def test_a_timestamp_that_has_no_effect_is_rejected(run):
    def sign(name, body="{}", at="1700000000"):
        return run("sign", name, "--secret", SECRET, "--body", body, "--timestamp", at)

    assert "t=1700000000," in sign("stripe").output
    for result, says in (
        (sign("github"), "github signs no time, so --timestamp has no effect: leave it out"),
        (sign("pusher"), "pusher signs the time that the body says (body `time_ms`)"),
        (sign("pusher", '{"time_ms": 1600000000000}'), "write it there"),
    ):
        assert result.exit_code == 2
        assert says in result.output
    assert sign("pusher", '{"time_ms": 1700000000000}').exit_code == 0
    # Mailgun's is written into the body, where it says none.
    assert (
        "1700000000"
        in run(
            *("sign", "mailgun", "--secret", SECRET, "--timestamp", "1700000000", "--format", "json"),
            *("--body", '{"signature": {"token": "t"}, "event-data": {"id": "1"}}'),
        ).output
    )


def test_a_timestamp_goes_into_a_token_that_says_only_until_when_it_holds(run):
    pytest.importorskip("jwt")
    from scheme_keys import rsa_pair

    from hookguard import Secret

    secret = Secret.of(audience="a", email="e", private_key=rsa_pair()[0])
    signed = sign.signed(presets.GOOGLE_PUBSUB, b"{}", [secret], "", "", 1_700_000_000.0, (), "")
    middle = signed.headers["authorization"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(middle + "=="))["iat"] == 1_700_000_000


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
def test_mistakes_are_reported_in_a_sentence(run, words, says):
    result = run(*words)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_the_version_option_prints_the_version(run):
    from hookguard.version import __version__

    assert __version__ in run("--version").output


def test_without_the_extra_the_command_says_how_to_install_it():
    code = "import sys; sys.modules['click'] = None; from hookguard.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'hookguard-webhooks[cli]'" in result.stderr


@pytest.mark.parametrize("word", ["pay", "PAYPAL", "forms"])
def test_presets_with_a_word_lists_those_that_have_it(run, word):
    rows = [line.split()[1] for line in run("presets", word).stdout.splitlines() if line.startswith("│")]
    assert bool(rows) == (word != "forms")
    for name in rows:
        assert word.lower() in name or word.lower() in presets.get(name).title.lower()


def test_the_table_fits_a_terminal_of_80_columns(run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", run("presets").stdout)
    assert max(map(len, plain.splitlines())) <= 80


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module in the working directory that holds a preset."""
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "shop_hooks.py").write_text(
        "from hookguard import *\n"
        "ACME = Preset(name='acme', title='Acme', scheme=HmacScheme(signature=SignatureHeader('Acme-Signature', '{hex}')),\n"
        "    event_id=InBody('id'))\n"
    )
    yield "shop_hooks.ACME"
    sys.modules.pop("shop_hooks", None)


def test_every_command_takes_the_dotted_path_of_a_preset(run, own):
    assert run("presets", own).output.startswith("acme: Acme")
    saved = run("sign", own, "--secret", SECRET, "--body", '{"id": "1"}', "--format", "json")
    assert saved.exit_code == 0, saved.output
    assert run("verify", own, "-", "--secret", SECRET, stdin=saved.stdout).output.startswith("genuine: event 1")
    assert "a restart forgets every event" in run("store", "check", "memory://", "--preset", own).output
    sent = run("send", "http://127.0.0.1:1/", own, "--secret", SECRET, "--body", "{}")
    assert "did not answer" in sent.output
    for command in (["presets"], ["sign", "--body", "{}"], ["listen"], ["verify"]):
        wrong = run(command[0], "shop_hooks.GONE", *command[1:], *(["-"] if command[0] == "verify" else []))
        assert (wrong.exit_code, "shop_hooks.GONE" in wrong.output) == (2, True), wrong.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stripe", "--id", "evt_1"], "--id has no effect: stripe finds it at body `id`: write it there"),
        (["stripe", "--type", "t"], "--type has no effect: stripe finds it at body `type`"),
        (["dropbox", "--id", "1"], "--id has no effect: dropbox looks for none: leave it out"),
        (["twilio"], "twilio signs the URL that it is sent to: give it with --url"),
        (["square"], "give it with --url"),
        (["plivo"], "give it with --url"),
    ],
)
def test_an_option_without_effect_or_a_missing_one_is_a_usage_error(run, words, says):
    result = run("sign", *words, "--secret", SECRET, "--body", "{}")
    assert result.exit_code == 2
    assert says in result.output


def test_an_id_that_a_header_carries_is_taken(run):
    whsec = "whsec_" + base64.b64encode(bytes(32)).decode()
    signed = run("sign", "standard-webhooks", "--secret", whsec, "--body", "{}", "--id", "msg_1")
    assert "webhook-id: msg_1" in signed.output


def test_verify_as_json_says_the_same(run):
    saved = dump_delivery(presets.STRIPE.sign(b'{"id": "evt_1", "type": "paid"}', SECRET))
    good = run("verify", "stripe", "-", "--secret", SECRET, "--json", stdin=saved)
    found = json.loads(good.stdout)
    assert (good.exit_code, found["genuine"], found["events"]) == (0, True, [{"type": "paid", "id": "evt_1"}])
    bad = run("verify", "stripe", "-", "--secret", "another-secret-of-20-chars", "--json", stdin=saved)
    found = json.loads(bad.stdout)
    assert (bad.exit_code, found["genuine"], found["code"], found["status"]) == (1, False, "signature_mismatch", 401)
    assert SECRET not in bad.stdout


def test_every_command_has_an_example_in_its_help(run):
    for command in ("demo", "explain", "listen", "presets", "send", "sign", "verify"):
        assert f"Example:\n    hookguard {command}" in run(command, "--help").output
    assert "Example:\n    hookguard store check" in run("store", "check", "--help").output


@pytest.mark.parametrize("url", ["nohost", "ftp://x/", "http://[::1"])
def test_a_url_that_nothing_can_be_sent_to_is_a_usage_error(run, url):
    pytest.importorskip("httpx")
    result = run("send", url, "github", "--secret", SECRET, "--body", "{}")
    assert result.exit_code == 2
    assert "is not a URL to send to" in result.output


def test_a_long_answer_is_cut_to_its_first_lines():
    from hookguard.cli.send import _beginning

    shown = _beginning("\n".join(f"line {number}" for number in range(5000)) + "x" * 5000)
    assert shown.splitlines()[0] == "line 0"
    assert shown.endswith("… and 4988 more lines; --json prints them all")
    assert len(_beginning("x" * 100_000)) < 1000
    assert _beginning("short") == "short"


def test_shell_completion_is_there_as_the_page_says():
    result = subprocess.run(
        [sys.executable, "-c", "from hookguard.cli import main; main()"],
        env={**os.environ, "_HOOKGUARD_COMPLETE": "bash_source"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "complete -o nosort -F _hookguard_completion hookguard" in result.stdout
