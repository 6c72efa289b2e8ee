# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that was renewed on the disk, by the site's own client, and that the server never loaded: on the site's host.

The way back is the reload: a newer certificate does no harm.
"""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from _certificates import served
from _common import Asked, main, ready

#: Seconds until a reloaded server serves what it loaded.
PATIENCE = 10


def file_of(asked: Asked) -> Path:
    """The certificate that the server should serve; certbot's for that name by default."""
    return Path(asked.params["file"] or f"/etc/letsencrypt/live/{asked.params['name']}/fullchain.pem")


def stored(path: Path) -> bytes:
    """The first certificate of a file, DER."""
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text(), flags=re.DOTALL)
    if not found:
        sys.exit(f"{path} has no certificate")
    return ssl.PEM_cert_to_DER_cert(found.group())


def stale(asked: Asked) -> list[str]:
    """The addresses that serve another certificate. One that does not answer serves none."""
    wanted = stored(file_of(asked))
    return [where for where, there in served(asked.params["name"], asked.params["port"]).items() if there not in (None, wanted)]


def shell(command: str) -> None:
    subprocess.run(["sh", "-euc", command], check=True)


def inject(asked: Asked) -> None:
    shell(asked.params["renew"])
    if not stale(asked):
        sys.exit(f"it serves what is in {file_of(asked)}: nothing was renewed, or a hook reloaded it")
    ready()


def remove(asked: Asked) -> None:
    if stale(asked):
        shell(asked.params["reload"])
        end = time.monotonic() + PATIENCE
        while stale(asked) and time.monotonic() < end:
            time.sleep(0.2)


def left(asked: Asked) -> Iterator[str]:
    for where in stale(asked):
        yield f"{where} does not serve what is in {file_of(asked)}"


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
