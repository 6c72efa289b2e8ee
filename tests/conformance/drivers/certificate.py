# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates: a CA of our own and a real TLS server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.kit import Args, Health
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
