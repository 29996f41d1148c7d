"""Faults that were found from outside: each row of the table beside this file names tests, and they are there."""

import re
from pathlib import Path

import pytest
from named_tests import TESTS, functions

ROWS = re.findall(
    r"^\| (\w.*?) \| .* \| (`.*`) \|$", Path(__file__).with_name("faults_from_outside.md").read_text("utf-8"), re.MULTILINE
)


def test_the_table_has_a_row_for_each_script():
    assert len(ROWS) == len(dict(ROWS)) == 61


@pytest.mark.parametrize(("script", "names"), ROWS)
def test_the_tests_that_hold_a_fault_are_there(script, names):
    for name in re.findall(r"`(.+?)`", names):
        path, _, function = name.partition("::")
        assert function in functions(TESTS / path), name
