"""Routers overlook some parts of a path, so a guard by path stands before every spelling."""

from unicodedata import normalize

import pytest

from hookguard.head import spelling
from hookguard.head.marks import cut_runs
from hookguard.head.spelling import any_spelling_begins, canonical_path, spellings


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/a", "/hooks/a/", "//hooks\\a", "/HOOKS/A", "/hooks/./a", "/hooks/x/../a", "/../hooks/a", "/hooks;v=1/a;w", "/hooks/a\n",
        "/hooks/%61", "/hooks/%2561", "/hooks%2fa", "/hooks/\uff41", "/ho\u200boks/a", "/ho\toks/a", "/hooks/a\0.png", "/hooks/a/;v/",
    ],
)  # fmt: skip
def test_spellings_of_one_path_have_one_plain_form(path):
    assert canonical_path(path) == "/hooks/a"
    assert "/hooks/a" in spellings(path)


@pytest.mark.parametrize("path", ["/", "", "//", "/.", "/..", "/;v", "/%2e"])
def test_the_root_has_one_too(path):
    assert canonical_path(path) == "/"


@pytest.mark.parametrize("path", ["/hooks", "/hooks/a/b", "/hooks-a", "/hook/a", "/hooks/ a", "/hooks/a.", "/hooks/b"])
def test_another_path_keeps_its_own(path):
    assert canonical_path(path) != "/hooks/a"


@pytest.mark.parametrize(
    "path", ["/hooks/", "/hooks/x", "/hooks", "//hooks/x", "/HOOKS/x", "/./hooks/x", "/x/../hooks/y", "/h%6foks/", "/hooks;v/x"]
)
def test_a_path_below_a_prefix_is_found_in_every_spelling(path):
    assert any_spelling_begins(path, "/hooks/")


@pytest.mark.parametrize("path", ["/", "/hook", "/hooksx", "/x/hooks/", "/hooks/../x"])
def test_a_path_beside_a_prefix_is_not_guarded(path):
    assert any_spelling_begins(path, "/hooks/") is path.startswith("/hooks/")


def test_a_prefix_may_end_within_a_name():
    assert any_spelling_begins("/hooks/x", "/ho")
    assert any_spelling_begins("/Hooks", "/hooks")


@pytest.mark.parametrize("mark", ["\u0301", "\u0323\u0301", "\u0f73", "\uff9e", "\U0001d165"])
def test_run_of_marks_is_cut_behind_the_thirtieth(mark):
    assert len(cut_runs(f"/e{mark * 100}x")) == 33
    assert cut_runs(f"/e{mark * 15}x{mark * 15}") == f"/e{mark * 15}x{mark * 15}"


@pytest.mark.parametrize("text", ["/hooks/a", "/caf\u00e9", "\u4e00" * 1000, "/\ud55c\uae00" * 100, "\ud800" * 100])
def test_text_without_a_long_run_stays_as_it_is(text):
    assert cut_runs(text) == text


def test_long_run_of_marks_is_not_normalized(monkeypatch):
    normalized = []
    monkeypatch.setattr(spelling, "normalize", lambda form, text: normalized.append(text) or normalize(form, text))
    canonical_path("/e" + "\u0323\u0301" * 10_000)
    assert set(map(len, normalized)) == {32}


@pytest.mark.parametrize("path", ["/{}/../hooks/a", "/{}\0/../../hooks/a", "/hooks/{}/../a", "/hooks/a;{}"])
def test_path_with_a_long_run_of_marks_is_still_a_spelling_of_the_guarded_path(path):
    came = path.format("e" + "\u0301" * 1000)
    assert "/hooks/a" in spellings(came)
    assert any_spelling_begins(came, "/hooks/")


def test_path_with_another_long_run_of_marks_counts_as_equal():
    marks = "\u0301" * 31
    assert canonical_path(f"/hooks/{marks}") == canonical_path(f"/hooks/{marks}\u0323")


def test_blanks_within_a_path_are_searched_only_from_their_beginning():
    # From each of them, the search takes half an hour.
    assert canonical_path("/hooks/" + " " * 300_000 + "a \n") == "/hooks/" + " " * 300_000 + "a"
