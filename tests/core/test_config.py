import json
import sys
import types

import pytest

from hookguard import ConfigurationError, Endpoint, MemoryStore, SQLiteStore, Tenant, Verifier, presets
from hookguard.config import Settings, store_from

SECRET = "a-secret-that-is-long-enough"


def settings(given, **options):
    return Settings(given, **{"where": "HOOKS", "default_store": MemoryStore, **options})


def test_all_wrong_endpoints_are_reported_together():
    given = {"stripe": {"secrets": [None]}, "slack": {"secrets": [SECRET]}, "github": {}, "strpe": {"secrets": [SECRET]}}
    with pytest.raises(ConfigurationError) as raised:
        settings({"endpoints": given})
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"HOOKS endpoint '{name}'" for name in ("stripe", "github", "strpe")]
    assert type(raised.value) is ConfigurationError  # whose name the docs and the traceback have
    assert len(raised.value.mistakes) == 3


def test_endpoint_is_named_once_in_a_mistake():
    with pytest.raises(ConfigurationError) as raised:
        settings({"endpoints": {"stripe": {"secrets": [SECRET], "public_url": "/hooks"}}})
    assert str(raised.value).count("stripe") == 1


def test_names_are_presets_unless_they_say_otherwise():
    made = settings({"ENDPOINTS": {"stripe": {"SECRETS": [SECRET]}, "shop": {"preset": "github", "secrets": SECRET}}})
    assert made.endpoint("stripe").preset is presets.STRIPE
    assert made.endpoint("shop").preset is presets.GITHUB
    assert made.endpoint("shop").name == "shop"


def test_a_setting_at_the_top_is_the_default_of_every_endpoint():
    made = settings(
        {
            "endpoints": {"stripe": {"secrets": [SECRET]}, "github": {"secrets": [SECRET], "max_body": 9}},
            "max_body": 5,
            "require_https": True,
        }
    )
    assert [made.endpoint(name).max_body for name in ("stripe", "github")] == [5, 9]
    assert made.endpoint("github").require_https


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "HOOKS must be a mapping"),
        ({"endpoint": {}}, "HOOKS: unknown setting 'endpoint'; did you mean 'endpoints'"),
        ({"zzz": 1}, "the settings are"),
        ({"endpoints": ["stripe"]}, "must map names"),
        ({"endpoints": {"stripe": SECRET}}, "HOOKS endpoint 'stripe' must be a mapping"),
        ({"endpoints": {"stripe": {}}}, "HOOKS endpoint 'stripe': secrets are missing"),
        ({"endpoints": {"stripe": {"secret": [SECRET]}}}, "did you mean 'secrets'"),
        ({"endpoints": {"stripe": {"secrets": [None]}}}, "stripe secret #1"),
        ({"endpoints": {"strpe": {"secrets": [SECRET]}}}, "did you mean 'stripe'"),
        ({"endpoints": {"stripe": {"secrets": [SECRET], "max_body": 0}}}, "HOOKS endpoint 'stripe'.*max_body"),
        ({"endpoints": {"stripe": {"secrets": [{"value": SECRET, "nmae": "x"}]}}}, "did you mean 'name'"),
        ({"endpoints": {"stripe": {"secrets": {"lookup": None}}}}, "dotted path"),
        ({"endpoints": {"stripe": {"secrets": {"lookup": "no.such.module"}}}}, "cannot import 'no.such.module'"),
        ({"endpoints": {"x": {"preset": "json.dumps", "secrets": [SECRET]}}}, "preset is function"),
        ({"endpoints": {"x": {"preset": 7, "secrets": [SECRET]}}}, "preset is int"),
        ({"observers": ["nothere"]}, "cannot import"),
        ({"endpoints": {"stripe": {"secrets": [SECRET], "allow_from": {"file": "/no/such/list"}}}}, "cannot read the list"),
    ],
)
def test_mistakes_say_where_they_are_and_what_to_do(given, why):
    with pytest.raises(ConfigurationError, match=why):
        settings(given)


@pytest.mark.parametrize(
    "switch", ["allow_stale", "confirm_subscription", "heartbeat", "require_https", "store_reply", "verify_provider"]
)
@pytest.mark.parametrize("value", ["no", "False", "", 0, 1, None])
def test_a_switch_is_true_or_false(switch, value):
    with pytest.raises(ConfigurationError, match=f"{switch} is {value!r}; choose True or False"):
        settings({"endpoints": {"stripe": {"secrets": [SECRET], switch: value}}})
    if switch in ("heartbeat", "require_https"):
        with pytest.raises(ConfigurationError, match=f"{switch} is {value!r}; choose True or False"):
            settings({"endpoints": {"stripe": {"secrets": [SECRET]}}, switch: value})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"observers": "builtins.print"}, "observers is str; give a list"),
        ({"observers": ["os.name"]}, "observers: 'os.name' is str, not a function"),
        ({"observers": [5]}, "observers: 5 is int, not a function"),
        ({"endpoints": {"asana": {"secrets": [SECRET], "accept_secret": "os.name"}}}, "accept_secret: 'os.name' is str"),
        ({"endpoints": {"asana": {"secrets": [SECRET], "accept_secret": 5}}}, "accept_secret: 5 is int"),
        ({"endpoints": {"asana": {"secrets": [SECRET], "allow_from": 5}}}, "give a list of networks, not the int 5"),
        ({"endpoints": {"asana": {"secrets": [SECRET], "public_url": 5}}}, "public_url is '5'; give the whole URL"),
    ],
)
def test_values_of_another_kind_are_rejected_at_the_start(given, why):
    with pytest.raises(ConfigurationError, match=why):
        settings(given)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"layot": "{hex}"}, "preset: unknown setting 'layot'; did you mean 'layout'"),
        ({"name": None}, "preset name None"),
        ({"header": 5}, "5 is not a header name"),
        ({"layout": 5}, "layout is 5: give the text"),
        ({"separator": 5}, "separator is 5: give the text"),
        ({"separator": ""}, "separator is '': give the text"),
        ({"signed": None}, "signed is None: give the text"),
        ({"timestamp_header": 5}, "5 is not a header name"),
        ({"timestamp_unit": "min"}, "timestamp_unit is 'min'; choose 's', 'ms'"),
        ({"secret_format": "b64"}, "secret_format is 'b64'; choose 'text', 'hex'"),
        ({"event_id": 5}, "5 is not a place: write header:NAME"),
        ({"event_id": "id"}, "'id' is not a place: write header:NAME"),
        ({"event_id": "header:X-Id", "identity": "ids"}, "identity is 'ids'; choose 'id'"),
        ({"tolerance": "5"}, "tolerance is '5'; give seconds"),
    ],
)
def test_mistakes_in_plain_words_say_where_they_are_and_what_to_do(words, why):
    preset = {"name": "acme", "header": "X-Acme", **words}
    with pytest.raises(ConfigurationError, match=f"^HOOKS endpoint 'acme': .*{why}"):
        settings({"endpoints": {"acme": {"preset": preset, "secrets": [SECRET]}}})


@pytest.mark.parametrize(("given", "missing"), [({"header": "X-Acme"}, "name"), ({"name": "acme"}, "header"), ({}, "name")])
def test_settings_in_plain_words_without_a_needed_key_are_rejected(given, missing):
    with pytest.raises(ConfigurationError, match=f"^HOOKS endpoint 'acme': preset: {missing} is missing: add"):
        settings({"endpoints": {"acme": {"preset": given, "secrets": [SECRET]}}})


def test_an_unknown_endpoint():
    made = settings({"endpoints": {"stripe": {"secrets": [SECRET]}}})
    with pytest.raises(ConfigurationError, match="did you mean 'stripe'"):
        made.endpoint("strpe")
    with pytest.raises(ConfigurationError, match=r"the endpoints are \['stripe'\]"):
        made.endpoint("zzz")


def test_secrets_with_names_and_dates():
    made = settings(
        {"endpoints": {"stripe": {"secrets": [{"value": SECRET, "name": "new", "not_before": 1.0}, {"VALUE": SECRET + "2"}]}}}
    )
    assert made.endpoint("stripe").verifier.verify(presets.STRIPE.sign(b"{}", SECRET)).secret == "new"


def test_a_lookup_is_given_as_a_function_or_by_its_path(monkeypatch):
    module = types.ModuleType("shop_secrets")
    module.find = lambda path, headers: Tenant("acme", [SECRET])
    monkeypatch.setitem(__import__("sys").modules, "shop_secrets", module)
    for given in (module.find, {"lookup": "shop_secrets.find"}, {"lookup": module.find}):
        assert settings({"endpoints": {"stripe": {"secrets": given}}}).endpoint("stripe").verifier.lookup is module.find


def test_presets_by_path_and_in_plain_words():
    made = settings(
        {
            "endpoints": {
                "a": {"preset": "hookguard.presets.STRIPE", "secrets": [SECRET]},
                "b": {
                    "preset": {"NAME": "acme", "header": "X-Acme", "event_id": "body:data.id"},
                    "secrets": [SECRET],
                    "identity": "id",
                },
                "c": {"preset": presets.GITHUB, "secrets": [SECRET]},
                "d": Endpoint(Verifier("slack", SECRET), name="d"),
            }
        }
    )
    assert [made.endpoint(name).preset.name for name in "abcd"] == ["stripe", "acme", "github", "slack"]


def test_an_endpoint_may_switch_the_tolerance_off_or_set_it():
    made = settings(
        {
            "endpoints": {
                "stripe": {"secrets": [SECRET], "tolerance": 60},
                "svix": {"secrets": [b"k" * 8 + b"12345678"], "allow_stale": True},
            }
        }
    )
    assert made.endpoint("stripe").verifier.tolerance == 60
    assert made.endpoint("svix").verifier.tolerance is None


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("postgresql://u:pw@h/db", "'hookguard-webhooks[postgresql]'"),
        ("postgresql+psycopg://u:pw@h/db", "'hookguard-webhooks[postgresql]'"),
        ("mysql://u:pw@h/db", "'hookguard-webhooks[mysql]'"),
        ("mariadb+pymysql://u:pw@h/db", "'hookguard-webhooks[mysql]'"),
        ("postgresql+asyncpg://u:pw@h/db", "'hookguard-webhooks[sqlalchemy]' asyncpg"),
        ("sqlite+pysqlite:///x.sqlite3", "'hookguard-webhooks[sqlalchemy]'"),
        ("redis://:pw@h/0", "'hookguard-webhooks[redis]'"),
    ],
)
def test_a_store_whose_package_is_missing_says_what_installs_it(url, command, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith(("hookguard.stores.sql.", "hookguard.stores.redis")) or name == "hookguard.stores.sql":
            monkeypatch.delitem(sys.modules, name)
    for package in ("sqlalchemy", "redis"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError) as told:
        store_from(url)
    assert str(told.value).endswith(f"pip install {command}")
    assert "pw" not in str(told.value)


def test_a_published_list_of_networks(tmp_path):
    path = tmp_path / "meta.json"
    path.write_text(json.dumps({"hooks": ["192.0.2.0/24"]}))
    made = settings({"endpoints": {"github": {"secrets": [SECRET], "allow_from": {"FILE": str(path), "field": "hooks"}}}})
    assert "192.0.2.1" in made.endpoint("github").allow_from


def test_observers_of_the_settings_and_of_the_plugin_are_called():
    def one(outcome):
        pass

    made = settings({"observers": [one, "builtins.print"], "endpoints": {"stripe": {"secrets": [SECRET]}}}, observers=[repr])
    assert made.endpoint("stripe").observers == (repr, one, print)


def test_the_default_store_is_made_when_it_is_asked_for_and_once():
    made = []

    def default():
        made.append(1)
        return MemoryStore()

    given = settings({}, default_store=default)
    assert made == []
    assert given.store is given.store
    assert made == [1]


def test_stores_are_made_from_settings(tmp_path, monkeypatch):
    own = MemoryStore()
    assert store_from(own) is own
    assert isinstance(store_from("memory://"), MemoryStore)
    path = tmp_path / "a b.sqlite3"
    store = store_from(f"sqlite:///{path}".replace(" ", "%20"))
    assert isinstance(store, SQLiteStore)
    assert store.path == path
    monkeypatch.chdir(tmp_path)
    assert store_from("sqlite:///here.sqlite3").path == tmp_path / "here.sqlite3"
    module = types.ModuleType("shop_store")
    module.STORE = own
    monkeypatch.setitem(__import__("sys").modules, "shop_store", module)
    assert store_from("shop_store.STORE") is own
    assert settings({"store": own}).store is own


@pytest.mark.parametrize("given", ["mongodb://host", "sqlite://", "sqlite:///", "sqlite://host/path", "nowhere", 7, object()])
def test_an_invalid_store_is_rejected(given):
    with pytest.raises(ConfigurationError):
        store_from(given)


@pytest.mark.parametrize("place", ["id", "cookie:id", "body:", ":id"])
def test_places_in_plain_words(place):
    with pytest.raises(ConfigurationError, match="is not a place"):
        presets.generic_hmac(name="acme", header="X-Acme", event_id=place)
    made = presets.generic_hmac(name="acme", header="X-Acme", event_id="form:id", event_type="header:X-Type", identity="id")
    assert made.id_covered
    assert presets.generic_hmac(name="acme", header="X-Acme").identity == "content"


@pytest.mark.parametrize("wrap", [lambda entry: entry, lambda entry: [entry]])
def test_a_mapping_among_the_secrets_is_several_values_that_belong_together(wrap):
    with pytest.raises(ConfigurationError, match="secret has no field 'corp_id': this provider needs secret"):
        settings({"endpoints": {"github": {"secrets": wrap({"SECRET": SECRET, "CORP_ID": "ww1"})}}})
    made = settings({"endpoints": {"github": {"secrets": wrap({"SECRET": SECRET, "NAME": "new"})}}})
    assert "1 secrets" in repr(made.endpoints["github"].verifier)


def test_a_store_may_be_named_by_its_class():
    assert isinstance(store_from("hookguard.MemoryStore"), MemoryStore)
    with pytest.raises(ConfigurationError, match="needs arguments"):
        store_from("hookguard.SQLiteStore")
    with pytest.raises(ConfigurationError, match="give a store or a URL"):
        store_from(MemoryStore)


@pytest.mark.parametrize("url", ["redis://u:s3cr\u2100et@h/0", "redis://u:s3cr[et@h/0", "postgresql://u:s3cr[et@h/db"])
def test_nothing_of_a_url_that_cannot_be_read_is_shown(url):
    with pytest.raises(ConfigurationError, match="percent-encode") as rejected:
        store_from(url)
    assert "s3cr" not in str(rejected.value)
    assert rejected.value.__suppress_context__


def test_a_store_with_options_is_a_mapping(tmp_path):
    store = store_from({"URL": f"sqlite:///{tmp_path}/claims.db", "timeout": 7.0})
    assert (type(store), store._timeout) == (SQLiteStore, 7.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"timeout": 2}, "needs the store's URL as url"),
        ({"url": "memory"}, "needs the store's URL as url"),
        ({"url": "memory://", "pool_sise": 2}, "pool_sise"),
    ],
)
def test_a_store_mapping_that_is_wrong_says_what_to_write(given, says):
    with pytest.raises(ConfigurationError, match=says):
        store_from(given)
