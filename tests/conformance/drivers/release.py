# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases behind a link, and configuration from an archive: real files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.drivers.host import NOBODY
from tests.conformance.kit import Args, Health, Mitigating, Result
from tests.support.kept_config import KEPT, Place
from tests.support.need import need
from tests.support.run_module import start_module

#: Whoever is nobody here may not read this Python's own modules, which unpack a compressed one.
_PLAIN = "config.tar"
_NO_SERVER = "it asks no server: a directory that answers nobody needs a dead device, which a container cannot make"


@contextmanager
def _place() -> Iterator[Path]:
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


class ReleaseHealth(Health):
    """Two releases, of which the one that is wanted runs."""

    module = "release_health"
    absent: ClassVar = {"frozen": _NO_SERVER}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with _place() as place:
            self.link, self.releases = place / "current", place / "releases"
            for name in ("v1", "v2"):
                (self.releases / name).mkdir(parents=True)
            self.link.symlink_to(self.releases / "v1")
            yield

    def args(self) -> Args:
        return {"method": "symlink", "where": {"path": str(self.link), "releases": str(self.releases)}, "to": "v1"}

    @contextmanager
    def sicken(self) -> Iterator[None]:
        (self.releases / "v1").rename(self.releases / "v0")
        try:
            yield
        finally:
            (self.releases / "v0").rename(self.releases / "v1")

    def culprits(self) -> list[str]:
        return [str(self.releases / "v1")]

    def run_denied(self, **more: Any) -> Result:
        need(os.geteuid() == 0, "root, to become another user")
        self.releases.chmod(0o700)
        return start_module(self.module, user=NOBODY, **{**self.args(), **more}).result()


class ConfigHealth(Health):
    """Two files that are as the archive has them."""

    module = "config_health"
    absent: ClassVar = {"frozen": _NO_SERVER}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with _place() as place:
            self.config = Place(place, archive=_PLAIN)
            for path in self.config.files:
                path.write_text(KEPT)
            yield

    def args(self) -> Args:
        return {name: value for name, value in self.config.args().items() if name in ("paths", "source", "root")}

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.config.files[0].unlink()
        try:
            yield
        finally:
            self.config.files[0].write_text(KEPT)

    def culprits(self) -> list[str]:
        return [str(self.config.files[0])]

    def run_denied(self, **more: Any) -> Result:
        need(os.geteuid() == 0, "root, to become another user")
        self.config.archive.chmod(0o600)
        return start_module(self.module, user=NOBODY, **{**self.args(), **more}).result()


class ConfigRestore(Mitigating):
    """Two files that differ from what the archive has."""

    module = "config_restore"
    absent: ClassVar = {"past_the_deadline": "it has no time limit for all: each command has its own, and the old files come back"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with _place() as place:
            self.config = Place(place, archive=_PLAIN)
            yield

    def args(self) -> Args:
        return self.config.args()

    def world(self) -> Any:
        return self.config.texts()

    def limits(self) -> Args:
        return {"max_files": 1}

    def leave(self) -> None:
        self.config.files[1].write_text(KEPT)

    def locked(self) -> AbstractContextManager[Any]:
        return acting_alone("configuration of this host")
