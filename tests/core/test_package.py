import importlib
import inspect
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import hookguard
from hookguard import errors

FRAMEWORKS = (
    "flask",
    "werkzeug",
    "django",
    "starlette",
    "fastapi",
    "anyio",
    "click",
    "rich",
    "uvicorn",
    "httpx",
    "pytest",
    "hypothesis",
    "prometheus_client",
    "opentelemetry",
)
#: Parts that belong to an extra, by the module that needs it.
EXTRAS = {
    "hookguard.cli": "click",
    "hookguard.testing": "hypothesis",
    "hookguard.metrics": "prometheus_client",
    "hookguard.sender.network": "httpcore",
}


def modules():
    for found in pkgutil.walk_packages(hookguard.__path__, "hookguard."):
        extra = next((needs for part, needs in EXTRAS.items() if found.name.startswith(part)), None)
        if found.name.endswith("__main__") or (extra and importlib.util.find_spec(extra) is None):
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:
            if extra is None:
                raise


def test_the_core_imports_no_framework():
    code = f"import sys, hookguard, hookguard.presets; print([name for name in {FRAMEWORKS!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_core_imports_nothing_that_is_not_installed_with_it():
    code = """
import sys, itsdangerous
before = {name.partition(".")[0] for name in sys.modules} | set(sys.stdlib_module_names)
import hookguard, hookguard.presets, hookguard.config
print({name.partition(".")[0] for name in sys.modules} - before)
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "{'hookguard'}"


@pytest.mark.parametrize("plugin", ["flask", "django", "starlette"])
def test_a_plugin_without_its_framework_says_what_to_install(plugin):
    needs = {"starlette": "anyio"}.get(plugin, plugin)
    code = f"import sys; sys.modules[{needs!r}] = None; import hookguard_{plugin}"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'hookguard-webhooks[{plugin}]'" in failed.stderr.splitlines()[-1]


def test_every_name_in_all_exists_and_is_named_once():
    for module in modules():
        names = getattr(module, "__all__", [])
        assert len(names) == len(set(names)), module.__name__
        for name in names:
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_every_public_object_has_a_docstring():
    missing = []
    for module in modules():
        if not module.__doc__:
            missing.append(module.__name__)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            # Python 3.10 calls an alias such as Callable[[X], None] a class; it can carry no docstring.
            a_class = inspect.isclass(thing) and not isinstance(thing, types.GenericAlias)
            named = a_class or (inspect.isfunction(thing) and "<locals>" not in thing.__qualname__)
            if named and not inspect.getdoc(thing):
                missing.append(f"{module.__name__}.{name}")
            if a_class and thing.__module__.startswith("hookguard"):
                missing += [
                    f"{module.__name__}.{name}.{method}"
                    for method, function in vars(thing).items()
                    if inspect.isfunction(function) and not method.startswith("_") and not inspect.getdoc(function)
                ]
    # Methods of private parts of a public class, and what a contract's test class inherits, have their names.
    assert [name for name in missing if "Contract.test_" not in name and "Machine" not in name] == []


def test_the_tree_of_errors_is_the_one_its_module_draws():
    drawn = {word for word in (errors.__doc__ or "").replace("│", " ").split() if word[:1].isupper() and word in vars(errors)}
    assert drawn | {"UnconfirmedPresetWarning", "WeakSecretWarning"} == set(errors.__all__)
    codes = [error.code for error in vars(errors).values() if inspect.isclass(error) and hasattr(error, "code")]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    "error", [error for error in vars(errors).values() if inspect.isclass(error) and hasattr(error, "status")]
)
def test_a_rejection_is_never_a_success_and_a_503_is_never_final(error):
    line = next(
        line
        for line in errors.__doc__.splitlines()
        if line.strip("│├└─ ").split() and line.strip("│├└─ ").split()[0] == error.__name__
    )
    if error is not errors.Rejected:
        assert str(error.status) in line
    # 500: the handler's own transaction failed. 503: it was nobody's fault. Both are tried again.
    assert 400 <= error.status < 500 or error.status == (500 if issubclass(error, errors.TransactionFailed) else 503)
    assert issubclass(error, errors.Rejected) == (error.status < 500)


def test_types_are_shipped():
    for package in ("hookguard", "hookguard_flask", "hookguard_django", "hookguard_starlette"):
        assert (Path(hookguard.__file__).parents[1] / package / "py.typed").exists(), package


def test_every_name_of_the_package_has_one_home():
    homes = [name for names in hookguard._HOMES.values() for name in names]
    assert sorted([*homes, "presets"]) == sorted(hookguard.__all__)
    assert len(homes) == len(set(homes))
    for name in hookguard.__all__:
        assert getattr(hookguard, name) is not None
        assert name in dir(hookguard)
    with pytest.raises(AttributeError, match="Gard"):
        _ = hookguard.Gard


def test_importing_the_package_loads_nothing_else():
    code = "import sys, hookguard; print(sorted(name for name in sys.modules if name.startswith('hookguard.')), 'asyncio' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "False"]


def test_a_preset_loads_no_other_preset():
    code = (
        "import sys; from hookguard import Verifier, Guard, MemoryStore; from hookguard.presets import STRIPE; Verifier(STRIPE, 's' * 12 + 'abcdefgh');"
        "import hookguard.presets as p; print([n for n in sys.modules if n.startswith('hookguard.presets.') and n.rpartition('.')[2] in p.built_in.FILES])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['hookguard.presets.stripe']"


@pytest.mark.parametrize(
    "code",
    [
        "from hookguard import Guard, MemoryStore, SQLiteStore, Verifier; Guard(Verifier('github', 'a-secret-that-is-long-enough'), MemoryStore())",
        "import flask; assert 'asyncio' not in sys.modules; import hookguard_flask",
    ],
    ids=["the core", "Flask"],
)
def test_a_synchronous_application_does_not_load_asyncio(code):
    if "flask" in code:
        pytest.importorskip("flask")
    script = f"import sys; {code}; print([name for name in ('asyncio', 'httpx') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_hookguard_loads_few_modules_and_no_preset_of_a_provider():
    # Measured with Python 3.10 to 3.13: `import hookguard` loads 2 to 30 modules, and with these names 138 to 191, 77 of them ours.
    code = (
        "import sys; before = set(sys.modules); import hookguard; first = set(sys.modules) - before;"
        "from hookguard import Endpoint, Guard, MemoryStore; loaded = set(sys.modules) - before;"
        "from hookguard.presets.built_in import FILES;"
        "print(len(first), len(loaded), sorted(f'hookguard.presets.{file}' for file in FILES if f'hookguard.presets.{file}' in loaded))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, loaded, presets = result.stdout.strip().split(" ", 2)
    assert int(first) <= 40
    assert int(loaded) <= 205
    assert presets == "[]"
