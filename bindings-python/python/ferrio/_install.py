"""Standing in for python-socketio in packages that import it."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

#: What is imported, and what is given.
PACKAGES = {"socketio": "ferrio", "engineio": "ferrio.engineio"}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``socketio.x`` as ``ferrio.x``: the same module by both names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        own = own_name(fullname)
        if own is None:
            return None
        if importlib.util.find_spec(own) is None:
            raise ModuleNotFoundError(f"{fullname}: ferrio, which stands in for it, has no {own}", name=fullname)
        return ModuleSpec(fullname, self, is_package=fullname in PACKAGES)

    def exec_module(self, module: ModuleType) -> None:
        own = own_name(module.__name__)
        assert own is not None
        # The import system goes by what stands there afterwards.
        sys.modules[module.__name__] = importlib.import_module(own)


def own_name(fullname: str) -> str | None:
    package, dot, rest = fullname.partition(".")
    return PACKAGES[package] + dot + rest if package in PACKAGES else None


def install() -> None:
    """Lets every later ``import socketio`` in this process find ferrio, also in third-party packages such as Flask-SocketIO.

    Call it before they are imported, or start the program by ``python -m ferrio program.py`` or ``python -m ferrio -m
    module``. ``import engineio`` finds the few names of it that programs touch. Raises `RuntimeError` where python-socketio
    has been imported already: whoever did so would keep it.
    """
    for package, own in PACKAGES.items():
        imported = sys.modules.get(package)
        if imported is not None and imported.__name__ != own:
            raise RuntimeError(f"ferrio.install() comes too late: {package} has been imported from {imported.__file__}")
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
