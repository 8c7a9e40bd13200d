"""Nothing that ships can load an object that would run code while it is loaded."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "joblib", "dill", "cloudpickle", "multiprocessing"}
LOADERS = {"allow_pickle", "read_pickle", "to_pickle", "ProcessPoolExecutor"}


def unsafe_loading(code: str) -> set[str]:
    """What a module imports, calls or names as text that loads objects with code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                names = [node.module or "", *(alias.name for alias in node.names)]
            case ast.Constant(value=str(text)):
                names = [text]
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=str(name)):
                found |= {name} & LOADERS
                continue
            case _:
                continue
        found |= {name.split(".")[0] for name in names} & FORBIDDEN | set(names) & LOADERS
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import pickle as p",
        "def f():\n    from pickle import loads",
        "from joblib import load",
        "import joblib.numpy_pickle",
        "import marshal, json",
        "import shelve",
        "importlib.import_module('pickle')",
        "__import__('marshal')",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "from concurrent.futures import ProcessPoolExecutor",
        "from multiprocessing import Pool",
    ],
)
def test_the_ways_to_load_code_are_recognised(code: str) -> None:
    assert unsafe_loading(code)


def test_nothing_that_ships_loads_objects_with_code() -> None:
    files = [path for root in ("operator", "detectors") for path in (ROOT / root).rglob("*.py")]
    assert len(files) > 100
    assert {str(path.relative_to(ROOT)): found for path in files if (found := unsafe_loading(path.read_text()))} == {}
