import io
import logging

import pytest
from flask import request
from flask_deliveries import SECRET, github, make_app, post, stream, stripe

from hookguard import Delivery, presets
from hookguard_flask import HookGuard, current_webhook

LIMIT = 200


def guarded(**config):
    """An app that guards /hook, and the bodies its view saw."""
    app = make_app(**config)
    hooks = app.extensions["hooks"] = HookGuard(app)
    seen = []

    @app.post("/hook")
    @hooks.guard("github")
    def hook():
        seen.append(request.get_data())
        assert seen[-1] == current_webhook.body
        return "", 204

    return app, seen


class Untouchable(io.RawIOBase):
    """A body that must not be read."""

    def readable(self):
        return True

    def readinto(self, buffer):
        raise AssertionError("the body was read")


class Counting(io.RawIOBase):
    """A body without end, and how much of it was read."""

    def __init__(self):
        self.count = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        self.count += len(buffer)
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


def body_of(size):
    return (b'{"a": "' + b"x" * size)[: size - 2] + b'"}'


@pytest.mark.parametrize("body", [b"{}", b"\x00\xff not JSON", b"", "é".encode("latin-1")])
def test_the_body_reaches_the_view_byte_for_byte(body):
    app, seen = guarded()
    assert post(app.test_client(), github(body, "d-1")).status_code == 204
    assert seen == [body]


def test_the_view_may_read_the_body_in_its_usual_ways():
    app = make_app()
    hooks = HookGuard(app)
    seen = []

    @app.post("/hook")
    @hooks.guard("github")
    def hook():
        seen.append((request.get_json(silent=True), request.form.to_dict(), sorted(request.files)))
        return "", 204

    client = app.test_client()
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nhello\r\n--b--\r\n'
    for number, (kind, body) in enumerate(
        [
            ("application/json", b'{"a": 1}'),
            ("application/x-www-form-urlencoded", b"payload=%7B%7D"),
            ("multipart/form-data; boundary=b", part),
        ]
    ):
        assert post(client, github(body, f"d-{number}", **{"Content-Type": kind})).status_code == 204
    assert seen == [({"a": 1}, {}, []), (None, {"payload": "{}"}, []), (None, {}, ["f"])]


def test_code_that_reads_the_form_before_the_view_does_no_harm():
    app, seen = guarded()
    forms = []
    app.before_request(lambda: forms.append(request.form.to_dict()))
    delivery = github(b"payload=%7B%7D", "d-1", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert post(app.test_client(), delivery).status_code == 204
    assert (forms, seen) == ([{"payload": "{}"}], [b"payload=%7B%7D"])


def test_a_body_that_is_gone_is_the_operators_fault_and_said_loudly(caplog):
    app, seen = guarded()
    application = app.wsgi_app

    def greedy(environ, start_response):
        environ["wsgi.input"].read()
        return application(environ, start_response)

    app.wsgi_app = greedy
    # werkzeug's test stream says that it ended by raising nothing, as servers that terminate their input do.
    delivery = github(b"{}", "d-1")
    assert stream(app.test_client(), delivery, delivery.body, length=2).status_code == 500
    assert seen == []
    assert "was read before hookguard could verify it" in caplog.text


# Limits


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "announced"])
@pytest.mark.parametrize("config", [{"HOOKGUARD_MAX_BODY": LIMIT}, {"MAX_CONTENT_LENGTH": LIMIT}], ids=["ours", "the app's"])
def test_the_limit_to_the_byte(config, chunked):
    app, seen = guarded(**config)
    for size, status in ((LIMIT, 204), (LIMIT + 1, 413), (LIMIT + 2, 413), (LIMIT * 50, 413)):
        delivery = github(body_of(size), f"d-{size}")
        answer = stream(app.test_client(), delivery, delivery.body, length=None if chunked else size)
        assert (size, answer.status_code) == (size, status)
        if status == 413:
            assert answer.content_type == "application/problem+json"
    assert [len(body) for body in seen] == [LIMIT]


def test_an_endpoint_may_have_a_smaller_limit_than_the_app_and_not_a_larger_one():
    app, _ = guarded(HOOKGUARD_ENDPOINTS={"github": {"secrets": [SECRET], "max_body": 10}}, MAX_CONTENT_LENGTH=LIMIT)
    assert post(app.test_client(), github(body_of(11), "d-1")).status_code == 413
    app, _ = guarded(HOOKGUARD_ENDPOINTS={"github": {"secrets": [SECRET], "max_body": LIMIT * 2}}, MAX_CONTENT_LENGTH=LIMIT)
    assert post(app.test_client(), github(body_of(LIMIT + 1), "d-1")).status_code == 413


def test_start_says_that_the_app_takes_less_than_the_provider_sends(caplog):
    guarded(MAX_CONTENT_LENGTH=2_000_000)
    (record,) = (record for record in caplog.records if record.name == "hookguard.limits")
    assert "endpoint 'github' accepts bodies of 26214400 bytes, and MAX_CONTENT_LENGTH only 2000000" in record.getMessage()
    caplog.clear()
    for limit in (None, 26_214_400):
        guarded(MAX_CONTENT_LENGTH=limit)
    assert not [record for record in caplog.records if record.name == "hookguard.limits"]


@pytest.mark.parametrize("limit", [10, 500_000, None])
def test_view_reads_the_form_of_a_large_verified_delivery(limit):
    # Werkzeug reads forms of 500,000 bytes by default, and GitHub sends pushes that are larger.
    app, _ = guarded(MAX_FORM_MEMORY_SIZE=limit)
    seen = []

    @app.post("/form")
    @app.extensions["hooks"].guard("github")
    def form():
        seen.append(request.form["payload"])
        return "", 204

    body = b"payload=" + b"x" * 600_000
    delivery = presets.GITHUB.sign(body, SECRET, id="d-1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert post(app.test_client(), delivery, "/form").status_code == 204
    assert seen == ["x" * 600_000]


def test_a_token_that_signs_nothing_does_not_let_a_cut_body_pass():
    # GitLab's token covers no byte of the body: only the limit itself can notice that the rest is missing.
    app = make_app(HOOKGUARD_ENDPOINTS={"gitlab-token": {"secrets": [SECRET], "max_body": LIMIT}})
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("gitlab-token")(lambda: ("", 204)))
    delivery = presets.get("gitlab-token").sign(body_of(LIMIT * 2), SECRET, id="d-1", type="push")
    assert stream(app.test_client(), delivery, delivery.body).status_code == 413


def test_an_endless_body_is_read_to_the_limit_and_no_further():
    app, _ = guarded(HOOKGUARD_MAX_BODY=LIMIT)
    endless = Counting()
    assert stream(app.test_client(), github(b"{}", "d-1"), endless).status_code == 413
    assert endless.count == LIMIT + 1


@pytest.mark.parametrize(
    ("without", "options", "status"),
    [
        ((), {"length": LIMIT + 1}, 413),
        (("x-hub-signature-256",), {}, 401),
        ((), {"REMOTE_ADDR": "203.0.113.9"}, 403),
        ((), {"HTTP_CONTENT_ENCODING": "gzip"}, 415),
    ],
    ids=["too large", "unsigned", "address", "compressed"],
)
def test_a_delivery_that_the_head_disqualifies_is_rejected_unread(without, options, status):
    app, seen = guarded(HOOKGUARD_MAX_BODY=LIMIT, HOOKGUARD_ALLOW_FROM=["127.0.0.0/8"])
    head = github(b"{}", "d-1")
    head = head._replace(headers=type(head.headers)([pair for pair in head.headers.items() if pair[0] not in without]))
    assert stream(app.test_client(), head, Untouchable(), **options).status_code == status
    assert seen == []


def test_reading_the_form_of_a_rejected_delivery_is_limited():
    app, _ = guarded(HOOKGUARD_MAX_BODY=LIMIT)
    app.before_request(lambda: request.form and None)
    endless = Counting()
    unsigned = Delivery(b"", {"Content-Type": "application/x-www-form-urlencoded"})
    assert stream(app.test_client(), unsigned, endless).status_code == 401
    assert endless.count <= LIMIT + 1


# Bodies that do not arrive whole


class Broken(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, buffer):
        raise OSError("connection reset")


@pytest.mark.parametrize(("terminated", "length"), [(True, 100), (False, 100), (True, None)])
def test_a_sender_that_hangs_up_is_answered_400(terminated, length, caplog):
    app, seen = guarded()
    head = github(b"{}", "d-1")
    assert stream(app.test_client(), head, Broken(), terminated=terminated, length=length).status_code == 400
    assert seen == []
    assert [record.reason_code for record in caplog.records if record.name == "hookguard"] == ["truncated_body"]


def test_fewer_bytes_than_announced_are_answered_400_and_not_checked():
    app, seen = guarded()
    delivery = github(b'{"a": 1}', "d-1")
    for terminated in (True, False):
        answer = stream(app.test_client(), delivery, delivery.body, terminated=terminated, length=len(delivery.body) + 1)
        assert answer.status_code == 400
    assert seen == []


def test_a_server_that_cannot_read_chunks_answers_411(caplog):
    app, seen = guarded()
    delivery = github(b"{}", "d-1")
    with caplog.at_level(logging.WARNING, "hookguard"):
        assert stream(app.test_client(), delivery, delivery.body, terminated=False).status_code == 411
    assert "length_required" in caplog.text
    assert seen == []


def test_unguarded_views_keep_their_own_limits_and_streams():
    app, _ = guarded(HOOKGUARD_MAX_BODY=10)

    @app.post("/upload")
    def upload():
        return str(len(request.stream.read()))

    assert app.test_client().post("/upload", data=b"x" * 1000).text == "1000"


def test_a_delivery_that_is_rejected_early_is_reported_once(caplog):
    app, _ = guarded()
    with caplog.at_level(logging.INFO, "hookguard"):
        app.test_client().post("/hook", data=b"{}")
    assert [record.reason_code for record in caplog.records if record.name == "hookguard"] == ["missing_signature"]


def test_an_app_that_is_initialised_twice_reads_a_delivery_once(caplog):
    app, _ = guarded()
    HookGuard(app)
    with caplog.at_level(logging.INFO, "hookguard"):
        app.test_client().post("/hook", data=b"{}")
    assert [record.reason_code for record in caplog.records if record.name == "hookguard"] == ["missing_signature"]


def test_stripe_deliveries_are_stopped_early_too():
    app = make_app(HOOKGUARD_MAX_BODY=LIMIT)
    hooks = HookGuard(app)
    hooks.protect(app, "stripe", prefix="/hooks/")
    head = stripe("evt_1")
    answer = stream(app.test_client(), head, Untouchable(), "/hooks/nowhere", length=LIMIT + 1)
    assert answer.status_code == 413
