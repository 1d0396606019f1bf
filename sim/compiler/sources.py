"""Which source files a kernel's machine code depends on.

Numba looks at a kernel's own file alone. What is compiled into it from other files, other kernels and constants alike,
it would go on using after they have changed. So caches of kernels are named by, or stamped with, the contents of the
kernel's file and of all that it imports, directly or not. The files are found through the imports, never named by
hand: a kernel that moves is still seen.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# Beside these only installed packages are imported, whose versions Numba and the lock look after.
_OURS = ("loadtests", "scenarios", "sim", "store")
# A line of a text that looks like an import is one file too many, which does no harm.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)
_NAME = re.compile(r"[\w.]+")


def stamp_of(sources: Iterable[Path]) -> str:
    """What changes when the contents of any of the source files do, wherever they lie."""
    return hashlib.sha256(b"\0".join(sorted(source.read_bytes() for source in sources))).hexdigest()


@cache
def sources_of(path: Path) -> frozenset[Path]:
    """The source file itself and all files that it imports, directly or not, of its own package and of ours."""
    root = path.parent
    while (root / "__init__.py").exists():
        root = root.parent
    packages = frozenset({*_OURS, path.relative_to(root).parts[0]})
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imported(source, root, packages)
    return frozenset(found)


@cache
def stamp_of_code(path: Path) -> str:
    """The stamp of a source file and of all that it imports: one for all kernels of a file."""
    return stamp_of(sources_of(path))


def imports(path: Path, module: str) -> bool:
    """Does a source file import `module`, by its full name?"""
    return module in _modules_named(path)


@cache  # every process asks for the sources of 30 files of kernels, which share nearly all of what they import
def _imported(source: Path, root: Path, packages: frozenset[str]) -> tuple[Path, ...]:
    """The files of `packages`, below `root`, that the source file itself imports."""
    names = [name for name in _modules_named(source) if name.partition(".")[0] in packages]
    return tuple(file for name in names for file in _files_of(name, root))


@cache
def _files_of(module: str, root: Path) -> tuple[Path, ...]:
    """The module's file, or that of the package; none for what is no module: a class, a function."""
    base = root.joinpath(*module.split("."))
    return tuple(file for file in (base.with_name(f"{base.name}.py"), base / "__init__.py") if file.exists())


@cache
def _modules_named(source: Path) -> set[str]:
    """Names of what the file's imports may mean: `from a import b` is the module `a`, and maybe `a.b`."""
    names = set[str]()
    for module, taken, plain in _IMPORT.findall(source.read_text(encoding="utf-8")):
        names |= {module, *(f"{module}.{name}" for name in _NAME.findall(taken))} if module else set()
        names |= set(_NAME.findall(plain))
    return names
