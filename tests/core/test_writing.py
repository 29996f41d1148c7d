"""The plain English of this project: forbidden words with what to write instead, and the length of sentences in the manual.

The words are looked up in prose only: docstrings, comments and string literals of the packages, examples and benchmarks;
docstrings, comments and names of the tests; comments of scripts and settings; and the pages of the manual, with the comments and
docstrings in their blocks. Code between backticks, other code and the addresses of links are left out.

A file that is still to be edited has its number of findings in ``writing_to_edit.json``. That number may only fall.
``python tests/core/test_writing.py`` counts again.
"""

import ast
import io
import json
import re
import tokenize
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TO_EDIT = Path(__file__).with_name("writing_to_edit.json")
LONGEST_SENTENCE = 30
SHORTEST_NAME = 3

#: A forbidden word as a regular expression, and what to write instead.
WORDS = {
    r"refus(e|es|ed|ing|al|als)": "reject, rejected, rejection",
    r"(turn|turns|turned|turning|send|sends|sent|sending)( \w+){0,2} away": "reject, rejected",
    r"look(s|ed|ing)? (over|at)": "check, read",
    r"(try|tries|tried|trying)( (it|them|that|this|each))? out": "check, test",
    r"(is|are|be|it|not) well(?! (known|formed))": "check the store; problem: …",
    r"(?-i:all is well)|as ever": "name the state",
    r"(give|gives|given|gave|giving)( \w+){0,3} back": "release (the claim), return",
    r"(is|are|was|were|be) (?-i:none)": "is missing, is not valid, was not found",
    r"(?<!there )(is|are|was|were) no(?! (longer|more than|later|less|earlier|matter))": "is not a …, is not …",
    r"tell|tells|telling|told": "log, report, say in the log; distinguish; see",
    r"(say|says|said) so": "report it, log it, name it",
    r"(?-i:Say)|(?<=[:;,] )say|(to|must|then|and) say": "log, report, name, give",
    r"anew": "once more, re-sign, retry",
    r"whoever|(only|is|knows|see|notes|finds|counts) who|(?-i:Who)(?![^.!?]*\?)": "the operator, the sender, the caller",
    r"what else|the other one": "the name of the thing",
    r"at last": "at the end, finally",
    r"all is said": "at the end, finally",
    r"judged|judging|(to|can|must|may|would|will|should) judge|judge?ments?|judges(?= (the|a|an|by|it|what|whether|each|every)\b)": (
        "checked, validated"
    ),
    r"at once": "atomically, in one step; immediately; concurrently",
    r"by (itself|themselves)": "by default; on its own",
    r"told otherwise": "by default",
    r"worth knowing|nobody says": "name the fact",
}
FORBIDDEN = {re.compile(rf"\b(?:{word})\b", re.IGNORECASE): better for word, better in WORDS.items()}

#: All of them, because most texts have none.
ANY = re.compile("|".join(pattern.pattern for pattern in FORBIDDEN), re.IGNORECASE)

#: The beginning of a sentence, or of a test's name, that has no subject.
OPENING = re.compile(r"(?:^|(?<=[.!] ))What\b(?![^.!?]*\?)")
NAME_OPENING = re.compile(
    r"(what|whatever|who|whoever|whose|nor|neither|and|but|so|it|its|they|them|those|such|which|likewise|also)(?=_|$)"
)

#: A phrase that stays in a file, and why.
EXCEPTIONS: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    phrase: str
    better: str

    def __str__(self):
        return f"{self.file}:{self.line}: “{self.phrase}”: write {self.better}"


def without_code(text):
    """The text with every piece of code replaced by one word."""
    return re.sub(r"(`+)[^`]+\1", "code", text)


def prose_of(source, *, literals):
    """The comments and docstrings of a module, and its other string literals if asked for: pairs of a line and a text."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "#!")):
            yield token.start[0], token.string.split("# noqa")[0].lstrip("#: ")
    nodes = list(ast.walk(ast.parse(source)))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in nodes if isinstance(node, documented) and ast.get_docstring(node)}
    pieces = {id(piece) for node in nodes if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            if id(node) in docstrings or (literals and " " in node.value):
                yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr) and literals:
            yield node.lineno, "".join(str(piece.value) if isinstance(piece, ast.Constant) else "…" for piece in node.values)


def page_text(file, text):
    """A page without its blocks of code; of the page of providers only the introduction, the rest is quoted facts."""
    text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return text.split("\n## ")[0] if file == "docs/providers.md" else text


def prose_in_blocks(text):
    """Pairs of a line and the comment or docstring in it, in the blocks of code of a page."""
    for block in re.finditer(r"^```.*?^```", text, flags=re.DOTALL | re.MULTILINE):
        for line, each in enumerate(block[0].split("\n"), text.count("\n", 0, block.start()) + 1):
            if prose := re.search(r"(?:^|\s)#\s(.*)|\"\"\"(.*)", each):
                yield line, prose[1] or prose[2] or ""


def paragraphs(text):
    """Pairs of a line and a paragraph or an item of a list, without headings, tables, code and links."""
    lines, start = [], 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        ends = not line.strip() or line.lstrip().startswith(("|", "#", "<")) or re.match(r"\s*([-*]|\d+\.) ", line)
        if ends and lines:
            yield start, " ".join(lines)
            lines = []
        if line.strip() and not line.lstrip().startswith(("|", "#", "<")):
            start = start if lines else number
            lines.append(re.sub(r"^\s*([-*]|\d+\.) ", "", line).strip())


def long_sentences(file, text):
    for line, paragraph in paragraphs(text):
        plain = re.sub(r"\[[^\]]*\](\([^)]*\)|\[[^\]]*\])", "", re.sub(r"(`+)[^`]+\1", "", paragraph))
        for sentence in re.split(r"(?<=[.!?])[\"”)*]* (?=[^a-z])", plain):
            words = re.findall(r"[^\W_][\w'’.,-]*", sentence)
            if len(words) > LONGEST_SENTENCE:
                yield Finding(file, line, f"{' '.join(words[:6])} …", f"shorter sentences: this one has {len(words)} words")


def forbidden_words(file, line, text, source_lines=()):
    """Findings in one text, each at the line that holds it if one line does."""
    text = without_code(text)
    flat = re.sub(r"\s+", " ", text)
    found = []
    if ANY.search(flat):
        found = [(match[0], better) for pattern, better in FORBIDDEN.items() for match in pattern.finditer(flat)]
    if OPENING.search(flat.strip()):
        found.append(("What …", "a sentence with a subject that names the thing"))
    for phrase, better in found:
        near = range(line, line + text.count("\n") + 12)
        at = next((number for number in near if number <= len(source_lines) and phrase in source_lines[number - 1]), line)
        yield Finding(file, at, phrase, better)


def names_of_tests(file, source):
    for line, text in enumerate(source.split("\n"), 1):
        if named := re.match(r"\s*(?:async )?def test_(\w+)", text):
            name = named[1]
            found = [each.better for each in forbidden_words(file, line, name.replace("_", " "))]
            if NAME_OPENING.match(name) or name.count("_") + 1 < SHORTEST_NAME:
                found.append("a sentence with its subject, of three words or more")
            yield from (Finding(file, line, f"test_{name}", better) for better in found)


@cache
def findings():
    """Everything in the project that the rules forbid."""
    return (*in_packages(), *in_tests(), *in_manual(), *in_scripts())


def in_packages():
    for path in sorted(path for folder in ("hookguard*", "examples", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.py")):
        file, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        for line, text in prose_of(source, literals=True):
            yield from forbidden_words(file, line, text, source.split("\n"))


def in_tests():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        file, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        if path == Path(__file__):
            continue
        yield from names_of_tests(file, source)
        for line, text in prose_of(source, literals=False):
            yield from forbidden_words(file, line, text, source.split("\n"))


def in_manual():
    for path in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        file = path.relative_to(ROOT).as_posix()
        whole = path.read_text("utf-8")
        text = page_text(file, whole)
        for line, each in prose_in_blocks(whole):
            yield from forbidden_words(file, line, each)
        for line, each in enumerate(text.split("\n"), 1):
            yield from forbidden_words(file, line, re.sub(r"\]\([^)]*\)", "]", each))
        yield from long_sentences(file, text)


def in_scripts():
    marks = {".lua": "--", ".toml": "#", "": "#"}
    for path in sorted([*ROOT.glob("hookguard*/**/*.lua"), ROOT / "pyproject.toml", *(ROOT / ".ci").iterdir()]):
        if path.is_file() and (mark := marks.get(path.suffix)) is not None:
            for line, each in enumerate(path.read_text("utf-8").split("\n"), 1):
                yield from forbidden_words(path.relative_to(ROOT).as_posix(), line, each.partition(mark)[2])


def unexcused():
    return [finding for finding in findings() if (finding.file, finding.phrase) not in EXCEPTIONS]


def test_prose_has_no_forbidden_words_and_no_long_sentences():
    allowed = json.loads(TO_EDIT.read_text("utf-8"))
    found = unexcused()
    counted = Counter(finding.file for finding in found)
    over = [str(finding) for finding in found if counted[finding.file] > allowed.get(finding.file, 0)]
    assert not over, "\n".join(["see the words of this file, or name an exception with its reason", *over])


def test_every_exception_is_still_needed():
    found = {(finding.file, finding.phrase) for finding in findings()}
    assert set(EXCEPTIONS) <= found


def test_forbidden_words_are_found_in_prose_and_not_in_code():
    source = '"""It is\\nrefused."""\nvalue is None  # given back\nerror(f"what it {value} is none")\n`tell`'.replace(
        "`tell`", '"`tell`"'
    )
    found = [each.phrase for line, text in prose_of(source, literals=True) for each in forbidden_words("x.py", line, text)]
    assert sorted(found) == ["given back", "is none", "refused"]
    assert [each.phrase for each in forbidden_words("x.py", 1, "What is missing. There is no key. None if it is None.")] == [
        "What …"
    ]


@pytest.mark.parametrize(
    "phrase",
    [
        "refuse, refused, turn away, turns it away, send away, sent away",
        "look at, looks over, try out, tried it out, is it well, is not well",
        "give back, gives the claim back, given back",
        "is none, there is none, is no JSON",
        "is told, tells, Say which, to say that",
        "anew, whoever, only who, what else, the other one",
        "all is said, at last, judged, can judge, judgement",
        "at once, by itself, told otherwise",
    ],
)
def test_every_word_of_the_list_is_found(phrase):
    for each in phrase.split(", "):
        assert list(forbidden_words("x.py", 1, each)), each


def test_comments_in_blocks_of_the_manual_are_read():
    page = 'Text.\n\n```python\nx = 1  # given back\n"""Told."""\n```\n'
    assert list(prose_in_blocks(page)) == [(4, "given back"), (5, 'Told."""')]


def test_long_sentences_are_found_without_their_code_tables_and_links():
    text = f"{'word ' * 30}`code` [a link](x.md).\n\n| {'word ' * 40} |\n\n- {'word ' * 31}\n"
    assert [finding.line for finding in long_sentences("x.md", text)] == [5]


if __name__ == "__main__":
    counts = Counter(finding.file for finding in unexcused())
    TO_EDIT.write_text(json.dumps(dict(sorted(counts.items())), indent=1) + "\n", "utf-8")
    print(f"{sum(counts.values())} in {len(counts)} files")
