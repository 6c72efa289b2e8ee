# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of configuration, and an archive that has them as they should be."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

from tests.support.run_module import run_module

OLD = "listen 80\npassword=canary-old\n"
KEPT = "listen 8080\npassword=canary-kept\nurl=postgres://shop:canary-url@db/shop\n"


class Place:
    """Two files of which an archive has another state, and where the old ones are kept."""

    def __init__(self, place: Path, *, archive: str = "config.tar.gz") -> None:
        self.place = place.resolve()
        self.etc = self.place / "etc"
        self.etc.mkdir()
        self.files = [self.etc / "shop.conf", self.etc / "more.conf"]
        for path in self.files:
            path.write_text(OLD)
            path.chmod(0o640)
        self.archive = self.place / archive
        self.pack({"etc/shop.conf": KEPT, "./etc/more.conf": KEPT, "/etc/passwd": "not ours", "../outside": "not ours"})

    def pack(self, members: dict[str, str], *, link: str = "") -> None:
        """Make the archive and the file that vouches for it."""
        mode: Any = "w:gz" if self.archive.suffix == ".gz" else "w"
        with tarfile.open(self.archive, mode) as tar:
            for name, text in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
            if link:
                member = tarfile.TarInfo(link)
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
                tar.addfile(member)
        self.vouch()

    def vouch(self) -> None:
        """Note the archive's digest, as sha256sum does."""
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        Path(f"{self.archive}.sha256").write_text(f"{digest}  {self.archive.name}\n")

    def args(self, **more: Any) -> dict[str, Any]:
        """Of config_restore."""
        return {
            "paths": [str(path) for path in self.files], "source": str(self.archive), "root": str(self.place),
            "kept_in": str(self.place / "kept"), "hold": "0s", "verify_timeout": "1s", **more,
        }

    def restore(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        """Run it."""
        return run_module("config_restore", check=check, **self.args(**more))

    def health(self, **more: Any) -> dict[str, Any]:
        """Compare."""
        given = {name: value for name, value in self.args().items() if name in ("paths", "source", "root")}
        return run_module("config_health", **{**given, **more})

    def texts(self) -> list[str]:
        """What the files say."""
        return [path.read_text() for path in self.files]

    def world(self) -> list[Any]:
        """All there is below the place, with times."""
        return sorted((str(path), path.lstat().st_mtime_ns) for path in self.place.rglob("*"))
