"""The reference lists every name that users may import, once, with the module to import it from."""

import ast
import importlib
import re

import pytest
from pages import ROOT, blocks, pages

REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")

#: Each module of the page with its names, in the page's order.
LISTED = {
    module: re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    for module, section in re.findall(r"^## (hookguard[\w.]*)\n(.*?)(?=^## |\Z)", REFERENCE, re.DOTALL | re.MULTILINE)
}

#: Modules of which every public name is for users.
WHOLE = [
    "hookguard",
    "hookguard.errors",
    "hookguard.fetch",
    "hookguard.presets",
    "hookguard.schemes",
    "hookguard.sender",
    "hookguard.stores",
    "hookguard.stores.redis",
    "hookguard.stores.sql",
    "hookguard.testing",
    "hookguard_django",
    "hookguard_django.stores",
    "hookguard_flask",
    "hookguard_starlette",
]


def load(module):
    return pytest.importorskip(module, reason="the module needs its extra", exc_type=ImportError)


@pytest.mark.parametrize("module", LISTED)
def test_every_name_of_the_page_can_be_imported_from_there(module):
    found = load(module)
    assert LISTED[module]
    assert [name for name in LISTED[module] if not hasattr(found, name)] == []
    assert set(LISTED[module]) <= {*found.__all__}, "a public name is in its module's __all__"


@pytest.mark.parametrize("module", WHOLE)
def test_every_public_name_of_the_module_is_on_the_page(module):
    found, core = load(module), importlib.import_module("hookguard")
    missing = {
        name
        for name in found.__all__
        if name not in LISTED.get(module, [])
        and not (name in LISTED["hookguard"] and getattr(core, name) is getattr(found, name))
    }
    assert missing == set()


def test_no_name_of_the_core_is_listed_twice():
    names = [
        name for module, listed in LISTED.items() if module.startswith("hookguard.") or module == "hookguard" for name in listed
    ]
    assert sorted(names) == sorted(set(names))


def imports():
    """Pairs of a module and a name that some page's code imports."""
    for page in pages():
        for block in blocks(page).values():
            if block.language != "python":
                continue
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {
                    "hookguard",
                    "hookguard_flask",
                    "hookguard_django",
                    "hookguard_starlette",
                }:
                    yield from ((page, node.module, each.name) for each in node.names)


def test_the_pages_import_only_what_the_reference_lists():
    assert [found for found in imports() if found[2] not in LISTED.get(found[1], [])] == []


@pytest.mark.runs("docs/reference.md", "Reference")
def test_the_example_of_the_page_runs():
    assert blocks("docs/reference.md")["Reference"].run()["SignatureMismatch"].status == 401


def test_the_status_of_each_error_is_the_one_on_the_page():
    from hookguard import errors

    rows = re.findall(r"^\| `(\w+)` \| (\d+|-) \|", REFERENCE, re.MULTILINE)
    assert dict(rows) == {name: str(getattr(getattr(errors, name), "status", "-")) for name, _ in rows}
