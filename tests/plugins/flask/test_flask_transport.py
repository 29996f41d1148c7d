import pytest
from flask_deliveries import SECRET, make_app, post, stripe
from werkzeug.middleware.proxy_fix import ProxyFix

from hookguard import Endpoint, Verifier, presets
from hookguard_flask import HookGuard, current_webhook


def seeing(**config):
    app = make_app(**config)
    hooks = HookGuard(app)

    @app.post("/<path:rest>")
    @hooks.guard("stripe")
    def hook(rest):
        return current_webhook.url

    return app


FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


def statuses(app, **options):
    delivery = stripe("evt_1")
    plain = app.test_client().post("/hook", data=delivery.body, headers=list(delivery.headers.items()), **options)
    behind = app.test_client().post(
        "/hook", data=delivery.body, headers=[*delivery.headers.items(), *FORWARDED.items()], **options
    )
    return plain.status_code, behind.status_code


def test_https_is_believed_of_the_framework_alone():
    app = seeing(HOOKGUARD_REQUIRE_HTTPS=True)
    assert statuses(app) == (403, 403)
    assert statuses(app, base_url="https://shop.example") == (200, 200)
    app = seeing(HOOKGUARD_REQUIRE_HTTPS=True)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)
    assert statuses(app) == (403, 200)


def test_an_address_is_believed_of_the_framework_alone():
    app = seeing(HOOKGUARD_ALLOW_FROM=["192.0.2.0/24"])
    assert statuses(app) == (403, 403)
    assert statuses(app, environ_base={"REMOTE_ADDR": "192.0.2.8"}) == (200, 200)
    app = seeing(HOOKGUARD_ALLOW_FROM=["192.0.2.0/24"])
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    assert statuses(app) == (403, 200)


def test_a_list_of_networks_may_come_from_a_file(tmp_path):
    (tmp_path / "meta.json").write_text('{"hooks": ["192.0.2.0/24"]}')
    app = seeing(HOOKGUARD_ALLOW_FROM={"file": str(tmp_path / "meta.json"), "field": "hooks"})
    assert statuses(app) == (403, 403)
    assert statuses(app, environ_base={"REMOTE_ADDR": "192.0.2.8"}) == (200, 200)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"RAW_URI": "/a%2Fb/%c3%a9?x=%2f&y=a+b&;"}, "/a%2Fb/%c3%a9?x=%2f&y=a+b&;"),
        ({"REQUEST_URI": "/hook?x=1"}, "/hook?x=1"),
        ({"RAW_URI": "http://shop.example/a%2Fb?x=1"}, "/a%2Fb?x=1"),
        ({"RAW_URI": "http://shop.example"}, "/"),
        ({}, "/h%C3%A9/a%20b?x=%2f"),
    ],
    ids=["RAW_URI", "REQUEST_URI", "absolute form", "absolute form without a path", "rebuilt"],
)
def test_the_target_is_the_one_that_came_over_the_wire(environ, url):
    app = seeing()
    application = app.wsgi_app

    def server(given, start_response):
        for name in ("RAW_URI", "REQUEST_URI"):
            given.pop(name)
        return application({**given, **environ}, start_response)

    app.wsgi_app = server
    assert post(app.test_client(), stripe("evt_1"), "/h%C3%A9/a%20b?x=%2f").text == url


def test_the_public_address_stands_before_the_target():
    app = seeing(HOOKGUARD_PUBLIC_BASE_URL="https://hooks.example.com/behind/")
    assert post(app.test_client(), stripe("evt_1"), "/hook?x=1").text == "https://hooks.example.com/behind/hook?x=1"


def test_a_signed_url_is_checked_by_the_target_that_came():
    app = make_app(
        HOOKGUARD_ENDPOINTS={"signed-url": {"secrets": [SECRET]}}, HOOKGUARD_PUBLIC_BASE_URL="https://hooks.example.com"
    )
    hooks = HookGuard(app)
    app.post("/erp")(hooks.guard("signed-url")(lambda: ("", 204)))
    signed = presets.get("signed-url").sign(b'{"number": 1}', SECRET, url="https://hooks.example.com/erp?shop=a%2Fb")
    path = signed.url.removeprefix("https://hooks.example.com")
    assert path.startswith("/erp?shop=a%2Fb")
    assert post(app.test_client(), signed, path).status_code == 204
    assert post(app.test_client(), signed, path[:-2]).status_code == 401
    assert post(app.test_client(), signed, "/erp").status_code == 401


@pytest.mark.parametrize("target", ["//victim/hook", "/victim//hook", "/x/../victim/hook"])
def test_a_signed_path_that_is_not_the_routed_one_is_rejected(target):
    ran = []
    app = make_app()
    hooks = HookGuard(app)
    acme = presets.generic_hmac(name="acme", header="X-Sig", signed="{url}{body}")

    @app.post("/<path:rest>")
    @hooks.guard(Endpoint(Verifier(acme, SECRET), public_base_url="https://hooks.example"))
    def hook(rest):
        ran.append(rest)
        return ""

    for signed, status in ((target, 400), ("/victim/hook", 200)):
        delivery = acme.sign(b"{}", SECRET, url=f"https://hooks.example{signed}")
        environ = {"RAW_URI": signed, "REQUEST_URI": signed, "PATH_INFO": "/victim/hook"}
        headers = list(delivery.headers.items())
        answer = app.test_client().post("/", data=delivery.body, headers=headers, environ_overrides=environ)
        assert answer.status_code == status
    assert ran == ["victim/hook"]
