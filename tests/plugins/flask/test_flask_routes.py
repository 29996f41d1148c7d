"""No route leads to a guarded view past its guard."""

import re
from dataclasses import replace
from functools import partial, wraps

import pytest
from flask import Blueprint, Flask, request
from flask.views import MethodView, View
from flask_deliveries import SECRET, make_app, post, stripe
from werkzeug.routing import Rule

from hookguard import ConfigurationError, InQuery, presets
from hookguard.challenge import Echo
from hookguard_flask import HookGuard, current_webhook

PAST = r"leads to [A-Za-z_][\w.<>]* past its guard"


def plain_decorator(view):
    @wraps(view)
    def decorated(*args, **kwargs):
        return view(*args, **kwargs)

    return decorated


def above_the_route(router, hooks):
    @hooks.guard("stripe")
    @router.post("/hook")
    def hook():
        return "ran"


def above_another_decorator(router, hooks):
    @hooks.guard("stripe")
    @plain_decorator
    @router.post("/hook")
    def hook():
        return "ran"


def above_the_route_of_a_decorated_view(router, hooks):
    @hooks.guard("stripe")
    @router.post("/hook")
    @plain_decorator
    def hook():
        return "ran"


def around_another_guard(router, hooks):
    @hooks.guard("github")
    @router.post("/hook")
    @hooks.guard("stripe")
    def hook():
        return "ran"


def with_add_url_rule(router, hooks):
    def hook():
        return "ran"

    router.add_url_rule("/hook", view_func=hook, methods=["POST"])
    hooks.guard("stripe")(hook)


def as_class(router, hooks):
    class Hook(MethodView):
        def post(self):
            return "ran"

    view = Hook.as_view("hook")
    router.add_url_rule("/hook", view_func=view)
    hooks.guard("stripe")(view)


def as_bound_method(router, hooks):
    class Hooks:
        def hook(self):
            return "ran"

    router.post("/hook")(Hooks().hook)
    hooks.guard("stripe")(Hooks().hook)


def decorated_again(router, hooks):
    def hook():
        return "ran"

    hooks.guard("stripe")(hook)
    router.post("/hook")(plain_decorator(hook))


def as_partial(router, hooks):
    def hook(kind):
        return "ran"

    hooks.guard("stripe")(hook)
    router.add_url_rule("/hook", "hook", partial(hook, kind="invoice"), methods=["POST"])


WRONG = [
    above_the_route,
    above_another_decorator,
    above_the_route_of_a_decorated_view,
    around_another_guard,
    with_add_url_rule,
    as_class,
    as_bound_method,
    decorated_again,
    as_partial,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_guard_above_an_apps_route_is_rejected_when_it_is_put_there(wrong):
    app = make_app()
    with pytest.raises(ConfigurationError, match=PAST):
        wrong(app, HookGuard(app))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_guard_above_an_apps_route_is_rejected_by_init_app(wrong):
    app = make_app()
    hooks = HookGuard()
    wrong(app, hooks)
    with pytest.raises(ConfigurationError, match=PAST):
        hooks.init_app(app)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_guard_above_a_blueprints_route_is_rejected_when_the_blueprint_is_registered(wrong, nested):
    app = make_app()
    hooks = HookGuard()
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__)
    wrong(inner, hooks)
    hooks.init_app(app)
    if nested:
        outer.register_blueprint(inner)
    with pytest.raises(ConfigurationError, match=PAST):
        app.register_blueprint(outer if nested else inner)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_guard_above_a_blueprints_route_is_rejected_by_init_app(wrong):
    app = make_app()
    hooks = HookGuard()
    bp = Blueprint("bp", __name__)
    wrong(bp, hooks)
    app.register_blueprint(bp)
    with pytest.raises(ConfigurationError, match=r"/hook leads to .*@hooks.guard\('\w+'\) under the route"):
        hooks.init_app(app)


def test_a_route_past_a_guard_that_flask_was_not_asked_for_is_rejected_by_the_first_requests(caplog):
    app = make_app()
    hooks = HookGuard(app)

    def hook():
        return "ran"

    app.post("/fine")(hooks.guard("stripe")(hook))
    app.url_map.add(Rule("/hook", endpoint="bare", methods=["POST"]))
    app.view_functions["bare"] = hook
    client = app.test_client()
    for _ in range(2):
        assert client.post("/hook").status_code == 500
        assert re.search(PAST, caplog.text)
        caplog.clear()


def bare_decorator(view):
    """A decorator that forgot functools.wraps."""

    def decorated(*args, **kwargs):
        return view(*args, **kwargs)

    return decorated


def above_a_bare_decorator(router, hooks):
    @hooks.guard("stripe")
    @bare_decorator
    @router.post("/hook")
    def hook():
        return "ran"


def around_a_second_as_view(router, hooks):
    class Hook(MethodView):
        def post(self):
            return "ran"

    router.add_url_rule("/hook", view_func=Hook.as_view("hook"))
    hooks.guard("stripe")(Hook.as_view("hook"))


def around_an_object_without_attributes(router, hooks):
    class Hook:
        __slots__ = ()

        def __call__(self):
            return "ran"

    hook = Hook()
    router.add_url_rule("/hook", "hook", hook, methods=["POST"])
    hooks.guard("stripe")(hook)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [above_a_bare_decorator, around_a_second_as_view, around_an_object_without_attributes],
    ids=lambda wrong: wrong.__name__,
)
def test_a_guard_that_no_route_leads_to_is_found_by_the_first_requests(wrong, late, caplog):
    app = make_app()
    hooks = HookGuard()
    bp = Blueprint("bp", __name__)
    if not late:
        hooks.init_app(app)
    wrong(bp, hooks)
    app.register_blueprint(bp)
    if late:
        hooks.init_app(app)
    client = app.test_client()
    for _ in range(2):
        assert client.post("/hook").status_code == 500
        assert "no route leads to its guard" in caplog.text
        caplog.clear()


def test_a_function_that_a_view_closes_over_may_have_its_own_route():
    app = make_app()
    hooks = HookGuard(app)

    @app.get("/")
    def index():
        return "a page"

    @app.post("/hook")
    @bare_decorator
    @hooks.guard("stripe")
    def hook():
        return index()

    @hooks.guard("github")
    def of_another_app():
        return index()

    client = app.test_client()
    assert (client.get("/").text, client.post("/hook").status_code) == ("a page", 401)
    assert post(client, stripe("evt_1")).text == "a page"


def test_another_extension_object_knows_the_guard():
    app = make_app()
    bp = Blueprint("bp", __name__)
    above_the_route(bp, HookGuard())
    HookGuard(app)
    with pytest.raises(ConfigurationError, match=PAST):
        app.register_blueprint(bp)


def test_guards_under_the_route_are_taken():
    app = make_app()
    hooks = HookGuard(app)

    def hook():
        return current_webhook.id

    class Hook(MethodView):
        decorators = (hooks.guard("stripe"),)

        def post(self):
            return hook()

    class Half(MethodView):
        @hooks.guard("stripe")
        def post(self):
            return hook()

        def get(self):
            return "a page"

    app.add_url_rule("/one", "one", hooks.guard("stripe")(hook), methods=["POST"])
    app.add_url_rule("/two", "two", plain_decorator(hooks.guard("stripe")(hook)), methods=["POST"])
    app.add_url_rule("/three", "three", hooks.guard("stripe")(plain_decorator(hook)), methods=["POST"])
    app.add_url_rule("/four", "four", hooks.guard("stripe")(partial(hook)), methods=["POST"])
    app.add_url_rule("/five", view_func=Hook.as_view("five"))
    app.add_url_rule("/six", view_func=Half.as_view("six"))
    app.add_url_rule("/seven", "seven", hooks.guard("stripe")(hooks.guard("stripe")(hook)), methods=["POST"])
    client = app.test_client()
    for number, path in enumerate(("/one", "/two", "/three", "/four", "/five", "/six", "/seven")):
        if path != "/seven":
            assert post(client, stripe(f"evt_{number}"), path).text == f"evt_{number}"
        assert client.post(path).status_code == 401


# Requests that protect() lets through


def protected(hooks, app, scaffold, add, named="stripe"):
    """An app whose routes are added by ``add`` under protect(), in either order of the two."""
    if scaffold == "app":
        hooks.protect(app, named)
        add(app)
        return
    bp = Blueprint("bp", __name__)
    outer = Blueprint("outer", __name__)
    hooks.protect(outer if scaffold == "outer blueprint" else bp, named)
    add(bp)
    outer.register_blueprint(bp)
    app.register_blueprint(outer)


def one_route(router):
    router.add_url_rule("/hook", "hook", lambda: "ran", methods=["GET", "POST"])


def two_routes(router):
    def hook():
        return "ran"

    router.get("/page")(hook)
    router.post("/hook")(hook)


def own_options(router):
    router.add_url_rule("/hook", "hook", lambda: "ran", methods=["OPTIONS", "POST"], provide_automatic_options=False)


def class_of_one_method(router):
    class Hook(View):
        methods = ("GET", "POST")

        def dispatch_request(self):
            return "ran"

    router.add_url_rule("/hook", view_func=Hook.as_view("hook"))


def class_with_one_function(router):
    class Hook(MethodView):
        def post(self):
            return "ran"

        get = post

    router.add_url_rule("/hook", view_func=Hook.as_view("hook"))


@pytest.mark.parametrize("scaffold", ["app", "blueprint", "outer blueprint"])
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize(
    "add", [one_route, two_routes, own_options, class_of_one_method, class_with_one_function], ids=lambda add: add.__name__
)
def test_protect_rejects_a_view_that_runs_unguarded_by_a_reading_method(add, order, scaffold):
    app = make_app()
    hooks = HookGuard()
    if order == "before":
        hooks.init_app(app)
    else:
        protected(hooks, app, scaffold, add)
    with pytest.raises(ConfigurationError, match=r"protect\(\) lets (GET|OPTIONS) through, and /(hook|page) runs by \1 the same"):
        protected(hooks, app, scaffold, add) if order == "before" else hooks.init_app(app)


def test_protect_after_the_routes_rejects_them_as_well():
    app = make_app()
    hooks = HookGuard(app)
    one_route(app)
    with pytest.raises(ConfigurationError, match="lets GET through"):
        hooks.protect(app, "stripe", prefix="/ho")


def test_protect_knows_a_rule_without_methods_to_take_them_all():
    app = make_app()
    hooks = HookGuard()
    hooks.protect(app, "stripe", prefix="/ho")
    app.url_map.add(Rule("/hook", endpoint="hook"))
    app.view_functions["hook"] = lambda: "ran"
    with pytest.raises(ConfigurationError, match=r"protect\(\) lets (GET|HEAD) through"):
        hooks.init_app(app)


@pytest.mark.parametrize(
    "path", ["/hooks/", "/hooks", "/HOOKS", "/Hooks/x", "/./hooks/x", "/x/../hooks/y", "/hooks;v=1/x", "/h%256foks/x"]
)
def test_protect_guards_every_spelling_of_a_prefix(path):
    app = make_app()
    hooks = HookGuard(app)
    hooks.protect(app, "stripe", prefix="/hooks/")
    ran = []
    app.add_url_rule("/hooks/", "root", lambda: ran.append("root") or "", methods=["POST"], strict_slashes=False)
    app.add_url_rule("/<path:path>", "all", lambda path: ran.append(path) or "", methods=["POST"])
    client = app.test_client()
    assert client.post(path).status_code == 401
    assert not ran
    assert client.post("/hook/x").status_code == 200


def test_a_rule_with_a_variable_may_be_below_the_prefix():
    app = make_app()
    hooks = HookGuard(app)
    hooks.protect(app, "stripe", prefix="/hooks/")
    with pytest.raises(ConfigurationError, match="lets GET through"):
        app.add_url_rule("/<path:path>", "all", lambda path: "ran", methods=["GET", "POST"])


@pytest.mark.parametrize("scaffold", ["app", "blueprint", "outer blueprint"])
def test_protect_takes_a_view_for_each_method_and_one_with_its_own_guard(scaffold):
    app = make_app()
    hooks = HookGuard(app)

    class Hook(MethodView):
        def get(self):
            return "a page"

        def post(self):
            return current_webhook.id

    def add(router):
        router.add_url_rule("/hook", view_func=Hook.as_view("hook"))
        router.get("/status")(lambda: "fine")
        router.add_url_rule("/own", "own", hooks.guard("stripe")(lambda: "ran"), methods=["GET", "POST"])

    protected(hooks, app, scaffold, add)
    client = app.test_client()
    assert (client.get("/hook").text, client.get("/own").status_code) == ("a page", 405)
    assert post(client, stripe("evt_1")).text == "evt_1"
    assert client.post("/hook").status_code == 401


@pytest.mark.parametrize("scaffold", ["app", "blueprint", "outer blueprint"])
def test_head_is_guarded_where_get_is(scaffold):
    challenge = Echo(InQuery("challenge"), method="GET", comes_unsigned=True)
    preset = replace(presets.STRIPE, name="asking", challenge=challenge)
    app = make_app(HOOKGUARD_ENDPOINTS={"asking": {"preset": preset, "secrets": [SECRET]}})
    hooks = HookGuard(app)
    ran = []

    def hook():
        ran.append(request.method)
        return "ran"

    protected(hooks, app, scaffold, lambda router: router.add_url_rule("/hook", "hook", hook, methods=["GET", "POST"]), "asking")
    client = app.test_client()
    assert client.get("/hook?challenge=abc").text == "abc"
    assert [client.open("/hook", method=method).status_code for method in ("GET", "HEAD", "POST")] == [401, 405, 401]
    assert ran == []


# Decorators that are written without a name


def test_a_decorator_without_a_name_asks_for_it():
    app = Flask("shop")
    for hooks in (HookGuard(), HookGuard(make_app())):
        for wrong in (
            lambda: hooks.guard(lambda: ""),  # noqa: B023 - it is called here
            lambda: app.post("/hook")(hooks.guard(lambda: "")),  # noqa: B023
            lambda: hooks.guard(MethodView),  # noqa: B023
            lambda: hooks.guard(None),  # noqa: B023
            lambda: hooks.protect(app, lambda: ""),  # noqa: B023
        ):
            with pytest.raises(ConfigurationError, match="give the endpoint's name"):
                wrong()
        with pytest.raises(ConfigurationError, match="MethodView is a class"):
            hooks.guard("stripe")(MethodView)
