import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Blueprint, Flask, g
from flask.views import MethodView
from flask_deliveries import SECRET, make_app, post, stripe

from hookguard import ConfigurationError, Endpoint, Event, Guard, MemoryStore, SQLiteStore, Verifier
from hookguard_flask import HookGuard, current_webhook, get_current_webhook, guards

STRIPE = {"stripe": {"secrets": [SECRET]}}


def serving(app, hooks=None, endpoint="stripe"):
    hooks = hooks or HookGuard(app)
    app.post("/hook")(hooks.guard(endpoint)(lambda: (current_webhook.id, 200)))
    return app.test_client()


# The settings of the config


@pytest.mark.parametrize(
    "config",
    [
        {"HOOKGUARD": {"ENDPOINTS": STRIPE, "STORE": "memory://"}},
        {"HOOKGUARD": {"endpoints": STRIPE}, "HOOKGUARD_STORE": "memory://"},
        {"HOOKGUARD": {"STORE": "nonsense://"}, "HOOKGUARD_STORE": "memory://", "HOOKGUARD_ENDPOINTS": STRIPE},
        {"HOOKGUARD": None, "HOOKGUARD_STORE": MemoryStore(), "HOOKGUARD_ENDPOINTS": STRIPE},
    ],
)
def test_one_mapping_or_many_keys_or_both(config):
    app = Flask("shop")
    app.config.update(config)
    client = serving(app)
    assert post(client, stripe("evt_1")).text == "evt_1"
    assert post(client, stripe("evt_1")).headers["Hookguard-Duplicate"] == "1"


@pytest.mark.parametrize("prefix", ["FLASK_HOOKGUARD__ENDPOINTS", "FLASK_HOOKGUARD_ENDPOINTS"])
def test_everything_may_come_from_the_environment(monkeypatch, prefix):
    for name, value in {
        f"{prefix}__stripe__secrets": SECRET,
        "FLASK_HOOKGUARD_STORE": "memory://",
        "FLASK_HOOKGUARD_MAX_BODY": "60",
    }.items():
        monkeypatch.setenv(name, value)
    app = Flask("shop")
    app.config.from_prefixed_env()
    client = serving(app)
    assert post(client, stripe("evt_1")).status_code == 200
    assert post(client, stripe("evt_2", filler="x" * 60)).status_code == 413


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("secrets", "1234567890123456", "not int: put quotation marks around it"),
        ("secrets", "12345678e9", "not float: put quotation marks around it"),
        ("secrets", "'a-secret-in-quotation-marks'", "is in quotation marks"),
        ("secrets", "shop.hooks.secrets_of", r'{"lookup": "…"}'),
        ("secrets__lookup", "no_such_shop.hooks.secrets_of", "cannot import 'no_such_shop.hooks.secrets_of'"),
    ],
)
def test_a_secret_that_the_environment_parsed_is_reported(monkeypatch, name, value, complaint):
    monkeypatch.setenv(f"FLASK_HOOKGUARD_ENDPOINTS__github__{name}", value)
    app = Flask("shop")
    app.config.from_prefixed_env()
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        HookGuard(app)


def test_digits_from_the_environment_are_text_in_quotation_marks(monkeypatch):
    monkeypatch.setenv("FLASK_HOOKGUARD_ENDPOINTS__stripe__secrets", '"1234567890123456"')
    app = Flask("shop")
    app.config.from_prefixed_env()
    assert HookGuard(app)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"HOOKGUARD": "stripe"}, "must be a mapping"),
        ({"HOOKGUARD_ENDPOINTS": {"strpe": {"secrets": [SECRET]}}}, "strpe"),
        ({"HOOKGUARD_ENDPOINTS": {"stripe": {}}}, "secrets are missing"),
        ({"HOOKGUARD_ENDPOINTS": {"stripe": {"secrets": [None]}}}, "environment variable unset"),
        ({"HOOKGUARD_ENDPOINTS": STRIPE, "HOOKGUARD_MAX_BODDY": 1}, "did you mean 'max_body'"),
        (
            {"HOOKGUARD_ENDPOINTS": STRIPE, "HOOKGUARD_STORE": "mongodb://user:secret@here"},
            "mongodb://… is unknown: use memory://",
        ),
        ({"HOOKGUARD_STORE": "mongodb://"}, "use memory://"),
        ({"HOOKGUARD_ENDPOINTS": STRIPE, "HOOKGUARD_STORE": "sqlite:////nowhere/at/all.sqlite3"}, "/nowhere/at/all"),
    ],
)
def test_a_mistake_is_found_by_init_app(config, complaint):
    app = Flask("shop")
    app.config.update(config)
    with pytest.raises(ConfigurationError, match=complaint):
        HookGuard(app)


def test_init_app_rejects_an_awaitable_store_or_lookup():
    async def lookup(path, headers):
        return None

    with pytest.raises(ConfigurationError, match="AsyncGuard"):
        HookGuard(make_app(HOOKGUARD_ENDPOINTS={"stripe": {"secrets": lookup}}))

    class BlockingStoreAdapter(MemoryStore):
        async def claim(self, *_, **__):
            raise AssertionError

    with pytest.raises(ConfigurationError, match="asynchronous"):
        HookGuard(make_app(HOOKGUARD_STORE=BlockingStoreAdapter()))


# The store


def test_the_default_store_is_a_file_that_survives_a_restart_and_comes_with_the_first_delivery(tmp_path):
    stores = []
    for number in (1, 2):
        app = Flask("shop", instance_path=str(tmp_path / "instance"))
        app.config["HOOKGUARD_ENDPOINTS"] = STRIPE
        client = serving(app)
        assert (tmp_path / "instance").exists() is (number == 2)
        answer = post(client, stripe("evt_1"))
        assert ("Hookguard-Duplicate" in answer.headers) is (number == 2)
        stores.append(app.extensions["hookguard"].guard_for("stripe").store)
    assert [store.path for store in stores] == [tmp_path / "instance" / "hookguard.sqlite3"] * 2
    for store in stores:
        store.close()


def test_an_instance_folder_that_cannot_be_made_is_answered_500_and_explained(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    app = Flask("shop", instance_path=str(tmp_path / "file" / "instance"))
    app.config["HOOKGUARD_ENDPOINTS"] = STRIPE
    assert post(serving(app), stripe("evt_1")).status_code == 500
    assert "set HOOKGUARD_STORE" in caplog.text


def test_two_concurrent_first_deliveries_share_one_store(tmp_path, monkeypatch):
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["HOOKGUARD_ENDPOINTS"] = STRIPE
    HookGuard(app)
    found = []
    second = threading.Thread(target=lambda: found.append(app.extensions["hookguard"].guard_for("stripe")))

    class Slow(MemoryStore):
        def __init__(self, path):
            super().__init__()
            if not second.ident:
                second.start()
                second.join(0.2)  # long enough to overtake, were it allowed to

    monkeypatch.setattr(guards, "SQLiteStore", Slow)
    first = app.extensions["hookguard"].guard_for("stripe")
    second.join(10)
    assert found == [first]


# Apps


def test_one_extension_serves_two_apps_that_know_nothing_of_each_other():
    hooks = HookGuard()
    one, two = make_app(), make_app(HOOKGUARD_ENDPOINTS={"stripe": {"secrets": ["the-other-shop's-secret"]}})

    @hooks.guard("stripe")
    def hook():
        return current_webhook.id

    for app in (one, two):
        app.post("/hook")(hook)
        hooks.init_app(app)
    assert post(one.test_client(), stripe("evt_1")).status_code == 200
    assert post(two.test_client(), stripe("evt_1")).status_code == 401


def test_an_app_that_was_never_initialised_raises_a_clear_error(caplog):
    app = Flask("shop")
    hooks = HookGuard()
    client = serving(app, hooks)
    assert post(client, stripe("evt_1")).status_code == 500
    assert "init_app" in caplog.text
    hooks = HookGuard()
    app = Flask("shop")
    hooks.protect(app, "stripe")
    caplog.clear()
    assert post(app.test_client(), stripe("evt_1")).status_code == 500
    assert "init_app" in caplog.text


# Names


def test_a_name_that_no_app_has_is_found_when_the_view_is_decorated():
    app = make_app()
    hooks = HookGuard(app)
    for guarding in (
        lambda: hooks.guard("strip"),
        lambda: hooks.protect(app, "strip"),
        lambda: hooks.protect(Blueprint("b", __name__), "strip"),
    ):
        with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
            guarding()


def test_a_name_that_no_app_has_is_found_when_the_view_gets_its_route():
    hooks = HookGuard()
    decorated, protected = Blueprint("one", __name__), Blueprint("two", __name__)
    decorated.post("/hook")(hooks.guard("strip")(lambda: ""))
    hooks.protect(protected, "strip")
    app = make_app()
    hooks.init_app(app)
    for bp in (decorated, protected):
        with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
            app.register_blueprint(bp)


def test_a_name_that_the_app_does_not_have_is_found_by_init_app():
    for how in ("view", "blueprint", "app"):
        hooks = HookGuard()
        app = make_app()
        bp = Blueprint("bp", __name__)
        if how == "view":
            app.post("/hook")(hooks.guard("strip")(lambda: ""))
        else:
            hooks.protect(bp if how == "blueprint" else app, "strip")
        app.register_blueprint(bp)
        with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
            hooks.init_app(app)


@pytest.mark.parametrize("prefix", ["hooks/", "http://here/hooks/"])
def test_a_prefix_that_would_guard_nothing_is_rejected(prefix):
    app = make_app()
    hooks = HookGuard(app)
    with pytest.raises(ConfigurationError, match="from the root"):
        hooks.protect(app, "stripe", prefix=prefix)
    with pytest.raises(ConfigurationError, match="blueprint is guarded whole"):
        hooks.protect(Blueprint("bp", __name__), "stripe", prefix="/hooks/")


def test_an_endpoint_or_a_guard_may_stand_in_for_a_name():
    app = make_app(HOOKGUARD_ENDPOINTS={})
    hooks = HookGuard(app)
    endpoint = Endpoint(Verifier("stripe", [SECRET]), name="one")
    own_store = MemoryStore()
    guard = Guard(Endpoint(Verifier("stripe", [SECRET]), name="two"), own_store)
    for path, named in (("/endpoint", endpoint), ("/guard", guard)):
        app.add_url_rule(path, path[1:], hooks.guard(named)(lambda: ("", 204)), methods=["POST"])
    for path in ("/endpoint", "/guard"):
        assert [post(app.test_client(), stripe("evt_1"), path).status_code for _ in range(2)] == [204, 200]
    assert len(own_store) == 1
    bp = Blueprint("bp", __name__)
    bp.add_url_rule("/bp", view_func=lambda: ("", 204), methods=["POST"], endpoint="hook")
    hooks.protect(bp, guard)
    app = make_app()
    hooks.init_app(app)
    app.register_blueprint(bp)
    assert post(app.test_client(), stripe("evt_2"), "/bp").status_code == 204


# The decorator and the proxy


def test_a_guard_above_the_route_would_guard_nothing_and_is_rejected():
    app = make_app()
    hooks = HookGuard(app)
    with pytest.raises(ConfigurationError, match="under the route"):

        @hooks.guard("stripe")
        @app.post("/hook")
        def hook():
            raise AssertionError("reached unguarded")


def test_a_decorated_view_keeps_its_name_and_its_arguments():
    app = make_app()
    hooks = HookGuard(app)

    @app.post("/hook/<int:shop>")
    @hooks.guard("stripe")
    def hook(shop: int) -> str:
        """Its text."""
        return f"{shop} {current_webhook.id}"

    assert (hook.__name__, hook.__doc__, hook.__module__) == ("hook", "Its text.", __name__)
    assert post(app.test_client(), stripe("evt_1"), "/hook/7").text == "7 evt_1"


def test_get_current_webhook_is_the_event_itself():
    app = make_app()
    hooks = HookGuard(app)
    found = []

    @app.post("/hook")
    @hooks.guard("stripe")
    def hook():
        found.append(get_current_webhook())
        return current_webhook.id

    post(app.test_client(), stripe("evt_1"))
    assert [type(event) for event in found] == [Event]
    assert found[0].idempotency_key


def test_current_webhook_is_rejected_where_no_guard_stands():
    app = make_app()
    hooks = HookGuard(app)
    app.post("/hook")(hooks.guard("stripe")(lambda: ("", 204)))
    app.testing = True
    app.add_url_rule("/open", "open", lambda: current_webhook.id)
    with pytest.raises(RuntimeError, match="under the route"):
        get_current_webhook()
    # An app context around the requests keeps g alive between them, as tests and scripts do.
    with app.app_context():
        g.anything = 1
        assert post(app.test_client(), stripe("evt_1")).status_code == 204
        with pytest.raises(RuntimeError, match="under the route"):
            app.test_client().get("/open")


def test_a_rejected_delivery_is_not_the_next_requests():
    app = make_app()
    hooks = HookGuard(app)
    closed = [True]
    app.before_request(lambda: ("closed", 503) if closed.pop() else closed.append(False))
    app.post("/hook")(hooks.guard("stripe")(lambda: current_webhook.id))
    with app.app_context():
        assert post(app.test_client(), stripe("evt_1")).status_code == 503
        closed.append(False)
        assert post(app.test_client(), stripe("evt_2")).text == "evt_2"


def test_a_single_method_of_a_class_is_guarded_and_the_others_are_not():
    app = make_app()
    hooks = HookGuard(app)

    class Hook(MethodView):
        def get(self):
            return "status"

        @hooks.guard("stripe")
        def post(self):
            return "", 204

    app.add_url_rule("/hook", view_func=Hook.as_view("hook"))
    client = app.test_client()
    assert client.get("/hook").text == "status"
    assert client.post("/hook").status_code == 401
    assert post(client, stripe("evt_1")).status_code == 204


# Without Flask


def test_without_flask_the_import_says_what_to_install(tmp_path):
    (tmp_path / "flask.py").write_text("raise ImportError('No module named flask', name='flask')")
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", "import hookguard_flask"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])},
    )
    assert result.returncode != 0
    assert "pip install 'hookguard-webhooks[flask]'" in result.stderr


def test_a_sqlite_store_by_its_url(tmp_path):
    app = make_app(HOOKGUARD_STORE=f"sqlite:///{tmp_path}/claims.sqlite3")
    client = serving(app)
    store = app.extensions["hookguard"].guard_for("stripe").store
    assert isinstance(store, SQLiteStore)
    assert [post(client, stripe("evt_1")).headers.get("Hookguard-Duplicate") for _ in range(2)] == [None, "1"]
    store.close()
