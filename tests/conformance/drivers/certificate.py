# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: a CA of our own and a real TLS server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.kit import Args, Health, Mitigating
from tests.support import pki
from tests.support.pki import DAY
from tests.support.tls_servers import TlsServer, context_for

HERE = "127.0.0.1"


class CertExpiry(Health):
    """One server with a good certificate."""

    module = "cert_expiry"
    awaited = ("expired", "expiring", "untrusted", "name_mismatch", "unreachable")

    @contextmanager
    def scene(self) -> Iterator[None]:
        root = pki.root()
        self.issuer = root.intermediate()
        with tempfile.TemporaryDirectory() as made, TlsServer(context_for(self.issuer.issue(HERE))) as self.server:
            self.trusted = str(root.write(Path(made) / "root.pem"))
            self.nobody = str(Path(made) / "nobody")
            Path(self.nobody).mkdir()
            yield

    def args(self) -> Args:
        return {"endpoints": [self.server.at], "ca_path": self.trusted, "timeout": "5s"}

    def culprits(self) -> list[str]:
        return [self.server.at]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        good, self.server.context = self.server.context, context_for(self.issuer.issue(HERE, ends=-DAY, lasts=90 * DAY))
        try:
            yield
        finally:
            self.server.context = good

    def denied(self) -> Args:
        """A host that trusts nobody."""
        return {"ca_path": self.nobody}

    @contextmanager
    def freeze(self) -> Iterator[None]:
        good, self.server.context = self.server.context, None
        try:
            yield
        finally:
            self.server.context = good

    def patient(self) -> Args:
        return {"timeout": "2s", "max_seconds": "5s"}


class CertRenew(Mitigating):
    """Two certificates that have expired, and a command that puts new ones there."""

    module = "cert_renew"
    #: What was approved is the renewal of a certificate that is not there any more.
    second_time = "moved_on"
    @contextmanager
    def scene(self) -> Iterator[None]:
        issuer = pki.root().intermediate()
        with tempfile.TemporaryDirectory() as made:
            self.place = Path(made).resolve()
            for name in ("www", "api"):
                for kind, issued in (
                    ("live", issuer.issue(f"{name}.example.org", ends=-DAY, lasts=90 * DAY)), ("new", issuer.issue(f"{name}.example.org")),
                ):
                    folder = self.place / kind / name
                    folder.mkdir(parents=True)
                    (folder / "fullchain.pem").write_bytes(pki.to_pem(*issued.chain))
                    (folder / "privkey.pem").write_bytes(issued.key_pem)
            yield

    def args(self) -> Args:
        live, new = self.place / "live", self.place / "new"
        return {"config_dir": str(self.place), "backup_dir": str(self.place / "backups"), "lineages": [
            {
                "name": f"{name}.example.org", "names": [f"{name}.example.org"], "certificate": str(live / name / "fullchain.pem"),
                "key": str(live / name / "privkey.pem"), "command": ["sh", "-c", f"cp {new / name}/*.pem {live / name}/"],
            } for name in ("www", "api")
        ]}

    def no_time(self) -> Args:
        """Commands that take longer than they may: each is ended before it has put anything there."""
        slow = [{**one, "command": ["sh", "-c", f"sleep 600; {one['command'][-1]}"]} for one in self.args()["lineages"]]
        return {"lineages": slow, "timeout": "1s"}

    def world(self) -> Any:
        return {str(path): path.read_bytes() for path in sorted((self.place / "live").rglob("*.pem"))}

    def limits(self) -> Args:
        return {"max_renewals": 1}

    def leave(self) -> None:
        """Somebody else renews one of them."""
        for path in (self.place / "new" / "api").iterdir():
            (self.place / "live" / "api" / path.name).write_bytes(path.read_bytes())

    def locked(self) -> AbstractContextManager[Any]:
        """By what is renewed: another run may keep its backups elsewhere."""
        return acting_alone(f"certificates of {self.place}")
