"""The public API: what it costs to import, and a snapshot of its names and signatures.

After an intended change, rewrite the snapshot and commit it: `python tests/unit/test_public.py --write`.
"""

import difflib
import enum
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin

SNAPSHOT = Path(__file__).with_name("public_api.txt")
WRITE = f"python {Path(__file__).relative_to(Path(__file__).parents[2])} --write"
PACKAGES = ["luigi_sinks"] + [
    f"luigi_sinks.{name}"
    for name in (
        *("audit", "contrib.esindex", "contrib.mysqldb", "contrib.sqla", "credentials", "elasticsearch", "mariadb"),
        *("neo4j", "spark", "sqlite", "testing"),
    )
]
SDKS = {"sqlalchemy", "mariadb", "elasticsearch", "elastic_transport", "neo4j", "polars", "pyarrow", "numpy", "orjson"}
LOADED = """
import json, sys
import luigi
before = set(sys.modules)
import luigi_sinks
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported():
    """Return the modules that importing the package loads where Luigi is loaded already."""
    return json.loads(subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True).stdout)


def public_api() -> str:
    """Return every public name of each package with its signature, a line each."""
    return "".join(f"{line}\n" for package in PACKAGES for line in lines_of(package))


def lines_of(package: str) -> Iterator[str]:
    """Yield the lines of a package; its names are asked for one by one, so that they may be lazy."""
    module = import_module(package)
    for name in sorted(getattr(module, "__all__", ())):
        yield from described(f"{package}.{name}", getattr(module, name))


def described(name: str, value: Any) -> Iterator[str]:
    """Yield the line of a public value, and for a class those of what it has."""
    if not inspect.isclass(value) or get_origin(value):
        yield f"{name}{signature(value) if is_function(value) else f' = {plain(value)}'}"
        return
    is_enum = issubclass(value, enum.Enum)
    taken = "" if is_enum else signature(value)
    yield f"class {name}{taken}"
    for member in sorted({each for kind in ours(value) for each in vars(kind) if not each.startswith("_")}):
        if not re.search(rf"\b{member}: ", taken):  # a field, which the class's own line names
            yield f"    {member}{shown(inspect.getattr_static(value, member))}"


def ours(kind: type) -> Iterator[type]:
    """Yield the class and those of its bases that are this package's: the others are not for us to keep."""
    return (base for base in kind.__mro__ if base.__module__.split(".")[0] == "luigi_sinks")


def shown(member: Any) -> str:
    """Return the signature of a method, the type of a property, or the value of a constant."""
    if isinstance(member, property | cached_property):
        getter = member.fget if isinstance(member, property) else member.func
        return f" -> {getter.__annotations__.get('return', 'Any')}"
    if isinstance(member, enum.Enum):
        return f" = {member.value!r}"
    function = getattr(member, "__func__", member)
    if is_function(function):
        return signature(function)
    return f" = {plain(member)}" if isinstance(member, str | int | tuple | None) else ""


def is_function(value: Any) -> bool:
    """Tell whether it can be called as a function is; typing's aliases can be called, but are none."""
    return callable(value) and not get_args(value) and not inspect.isclass(value)


class Text:
    """An annotation as it stands in the source, without the quotes that postponed ones get."""

    def __init__(self, annotation: Any) -> None:
        self.text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def __repr__(self) -> str:
        return self.text


def signature(value: Any) -> str:
    """Return the signature as it is written, without what differs from run to run."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    given = [each.replace(annotation=_text(each.annotation)) for each in found.parameters.values()]
    return plain(found.replace(parameters=given, return_annotation=_text(found.return_annotation)))


def _text(annotation: Any) -> Any:
    return annotation if annotation is inspect.Signature.empty else Text(annotation)


def plain(value: Any) -> str:
    """Return an alias, a default or a constant without the memory addresses in it."""
    shown = str(value) if isinstance(value, inspect.Signature) else repr(value)
    return re.sub(r"<(?:function|class) '?([\w.]+)'?[^>]*>", r"\1", shown)


def test_the_public_api_is_what_its_snapshot_says():
    changes = difflib.unified_diff(
        SNAPSHOT.read_text(encoding="utf-8").splitlines(),
        public_api().splitlines(),
        "tests/unit/public_api.txt",
        "the code",
        lineterm="",
        n=0,
    )
    found = "\n".join(changes)
    assert not found, f"the public API changed. If that is intended, run `{WRITE}` and commit the file:\n{found}"


def test_all_public_names_exist_and_are_sorted():
    for package in PACKAGES:
        names = getattr(import_module(package), "__all__", [])
        assert sorted(names) == list(names), package
        assert all(hasattr(import_module(package), name) for name in names), package


def test_importing_the_package_loads_no_stores_sdk():
    modules = imported()
    assert "luigi_sinks" in modules
    assert SDKS.isdisjoint(modules)


def test_importing_the_package_loads_few_modules_of_its_own_and_one_library():
    """Each module takes some 0.2 ms; `python -X importtime -c "import luigi_sinks"` shows where the time goes."""
    modules = imported()
    own = {each for each in modules if each.split(".")[0] == "luigi_sinks"}
    assert len(own) < 60
    assert {each.split(".")[0] for each in modules} <= {"luigi_sinks", "msgspec", *sys.stdlib_module_names}


def test_importing_the_package_does_not_import_luigi():
    done = subprocess.run([sys.executable, "-c", "import luigi_sinks, sys; sys.exit('luigi' in sys.modules)"])
    assert done.returncode == 0


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"usage: {WRITE}")
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
