"""Tests by their names, for tables that say which test stands for a row."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def functions(path):
    """The names of the functions in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
