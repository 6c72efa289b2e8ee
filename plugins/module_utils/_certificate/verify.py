# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a chain in a file verifies: `openssl verify` is asked, which judges as the servers' clients do.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import typing as t

from .._core.errors import BadInput
from .._module.programs import execute
from .._probe.handshake import Contexts
from .decisions.model import Cert, Trust
from .parse import pem


def verify(chain: t.Sequence[Cert], *, ca_path: str, timeout: float) -> Trust:
    """Verify a chain, the leaf first, against CAs in a file or a hashed directory; what is beside the leaf may help."""
    try:
        Contexts().verifying(ca_path)
    except BadInput as exc:
        return Trust(reason=exc.message, hint=exc.hint or "")
    program = shutil.which("openssl")
    if program is None:
        return Trust(reason="openssl is not on this host, and nothing else here verifies files")
    with tempfile.TemporaryDirectory(prefix="cert-") as directory:
        leaf, others, nothing = (os.path.join(directory, name) for name in ("leaf.pem", "others.pem", "empty"))
        os.mkdir(nothing)
        _write(leaf, chain[:1])
        argv = [program, "verify", "-CApath" if os.path.isdir(ca_path) else "-CAfile", ca_path]
        if len(chain) > 1:
            _write(others, chain[1:])
            argv += ["-untrusted", others]
        # Otherwise the system's trust store would count too.
        environment = {**os.environ, "SSL_CERT_DIR": nothing, "SSL_CERT_FILE": os.devnull, "LC_ALL": "C"}
        done = execute([*argv, leaf], env=environment, seconds=timeout)
    if done.status is None or done.late:
        return Trust(reason=f"openssl verify did not answer: {done.problem or f'it did not end within {timeout:g} s'}")
    return read_verdict(done.status, (done.out + done.err).decode("utf-8", "replace"))


def read_verdict(status: int, said: str) -> Trust:
    """What openssl-verify(1) said."""
    if status == 0 and re.search(r"(?m): OK$", said):
        return Trust(verified=True)
    found = re.search(r"error (\d+) at \d+ depth lookup: ?(.*)", said)
    if found is None:
        return Trust(reason=f"openssl verify could not judge: {' '.join(said.split())[:200]}")
    return Trust(verified=False, code=int(found.group(1)), reason=found.group(2).strip()[:200])


def _write(path: str, certs: t.Sequence[Cert]) -> None:
    with open(path, "wb") as file:
        file.write(b"".join(pem(cert.der) for cert in certs))
