# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the collection oncall.incident, so that Ansible and this process use the same one."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import Stop

_INSIDE = Path("ansible_collections") / "oncall" / "incident"
#: Ansible's own default, needed because setting the variable replaces it.
DEFAULT_PATHS = "~/.ansible/collections:/usr/share/ansible/collections"


@dataclasses.dataclass(frozen=True)
class Collection:
    """Where the collection is.

    Attributes:
        path: its directory, with plugins/ and playbooks/.
        root: the directory above ansible_collections/, or None for a bare checkout that is not linked anywhere.
        origin: how it was found: configured, checkout, wheel, installed.
    """

    path: Path
    root: Path | None
    origin: str

    @property
    def version(self) -> str:
        """From galaxy.yml or MANIFEST.json; "unknown" when neither says it."""
        manifest, galaxy = self.path / "MANIFEST.json", self.path / "galaxy.yml"
        try:
            if manifest.is_file():
                return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
            found = re.search(r"(?m)^version:\s*['\"]?([^\s'\"#]+)", galaxy.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return "unknown"
        return found.group(1) if found else "unknown"


def find(*, configured: str | None, home: Path, search: list[str] | None = None, package: Path | None = None) -> Collection:
    """The collection this process and Ansible shall use.

    Args:
        configured: ANSIBLE_COLLECTIONS_PATH or collections_path, when set: what the user chose comes first.
        home: for Ansible's default places.
        search: Python's module path, for the wheel; sys.path by default.
        package: this package's directory, for the checkout.

    Raises:
        Stop: it is in none of the places.
    """
    tried: list[str] = []
    for collection in _candidates(configured, home, sys.path if search is None else search, package or Path(__file__).parents[1]):
        if (collection.path / "plugins" / "plugin_utils" / "_record").is_dir():
            return collection
        tried.append(str(collection.path))
    raise Stop(
        "The collection oncall.incident was not found.",
        hint="Install it (ansible-galaxy collection install oncall.incident, or this package's wheel, which carries it),"
        " or set ANSIBLE_COLLECTIONS_PATH. Looked in: " + ", ".join(tried),
    )


def _candidates(configured: str | None, home: Path, search: list[str], package: Path) -> Iterator[Collection]:
    for root in _roots(configured or "", home):
        yield Collection(root / _INSIDE, root, "configured")
    checkout = package.parent.parent
    if (checkout / "galaxy.yml").is_file():
        link = checkout / ".collections"
        linked = (link / _INSIDE).is_dir()
        yield Collection(link / _INSIDE if linked else checkout, link if linked else None, "checkout")
    for entry in search:
        root = Path(entry or ".").resolve()
        yield Collection(root / _INSIDE, root, "wheel")
    for root in _roots(DEFAULT_PATHS, home):
        yield Collection(root / _INSIDE, root, "installed")


def _roots(paths: str, home: Path) -> Iterator[Path]:
    for part in paths.split(":"):
        if part:
            root = home / part[2:] if part.startswith("~/") else Path(part).expanduser()
            # Ansible accepts both the directory above ansible_collections and that directory itself.
            yield (root.parent if root.name == "ansible_collections" else root).resolve()


def bind(collection: Collection) -> None:
    """Make `ansible_collections.oncall.incident` importable from exactly this place.

    Registered by hand because the `ansible` package's own ansible_collections would hide every other directory.
    """
    if "ansible_collections.oncall.incident" in sys.modules:
        return
    parts = ["ansible_collections", "ansible_collections.oncall", "ansible_collections.oncall.incident"]
    paths = [collection.path.parent.parent, collection.path.parent, collection.path]
    for name, path in zip(parts, paths, strict=True):
        module = sys.modules.get(name)
        if module is None:
            module = types.ModuleType(name)
            module.__path__ = [str(path)]
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)


def link(found: Collection, directory: Path) -> Path:
    """A collections directory for a bare checkout, in a private directory."""
    inside = directory / "collections" / _INSIDE
    inside.parent.mkdir(parents=True)
    inside.symlink_to(found.path)
    return directory / "collections"


def search_path(collection: Collection, *, linked_root: Path | None, configured: str | None) -> str:
    """The ANSIBLE_COLLECTIONS_PATH for the child: ours first, then what it would have been."""
    root = collection.root or linked_root
    return ":".join([*([str(root)] if root else []), configured or DEFAULT_PATHS])


def search_roots(collection: Collection, *, configured: str | None, home: Path) -> list[Path]:
    """The directories in which Ansible will look for ansible_collections/, ours first."""
    return [
        *([collection.root] if collection.root else []), *_roots(configured or DEFAULT_PATHS, home),
        *(Path(entry or ".").resolve() for entry in sys.path),
    ]


def versions(collection: Collection) -> Mapping[str, str]:
    """The versions of everything that takes part, for --version and the record."""
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str, *, otherwise: str = "not installed") -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return otherwise

    return {
        "wrapper": of("oncall-incident", otherwise=f"{collection.version} (from source)"),
        "collection": collection.version, "ansible_core": of("ansible-core"),
        "ansible_runner": of("ansible-runner"), "python": sys.version.split()[0],
    }
