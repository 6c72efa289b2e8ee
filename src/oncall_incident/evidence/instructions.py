# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VERIFY.txt: how to check a bundle with programs that are on any machine. A test runs exactly these lines."""

from __future__ import annotations

from .bag import MANIFEST, TAG_MANIFEST
from .signing import NAMESPACE

_TEXT = """\
How to check this bundle without the project that made it
=========================================================

Needed: sh, coreutils, findutils, diffutils, OpenSSH's client 8.9 or newer, openssl.
Two files must be your own, not ones that came with this bundle:

- ALLOWED_SIGNERS: whom you trust to sign. See "ALLOWED SIGNERS" in ssh-keygen(1).
- TSA_CA: the certificates of the time-stamping authority that you trust, in PEM.

The indented lines are one shell script. Run it here, in the directory of bagit.txt:

    ALLOWED_SIGNERS=~/allowed_signers TSA_CA=~/tsa-ca.pem sh -eu

with these lines as its input. It says what it found and ends with 0 only if nothing is wrong.

1. Nothing but plain files: a link could lead out of the bundle.

    test -z "$(find . ! -type d ! -type f)"

2. Every file is as the manifests say. Then, that no file was added, which sha256sum does not see.

    sha256sum --quiet --strict -c {tag}
    sha256sum --quiet --strict -c {manifest}
    find data -type f | LC_ALL=C sort > /tmp/found.$$
    cut -c67- {manifest} | LC_ALL=C sort > /tmp/listed.$$
    diff /tmp/listed.$$ /tmp/found.$$
    rm -f /tmp/listed.$$ /tmp/found.$$

3. The last seal is over these very manifests.

    last=$(ls seal | LC_ALL=C sort | tail -n 1)
    diff "seal/$last/{tag}" {tag}
    diff "seal/$last/{manifest}" {manifest}

4. The signatures of every seal, by signers on your list. A seal without one is a sum anybody can make again.

    for sig in seal/*/*.sig; do
      if ! test -e "$sig"; then echo "NOT SIGNED: nothing here says who made this bundle"; continue; fi
      who=$(basename "$sig" .sig)
      ssh-keygen -Y verify -f "$ALLOWED_SIGNERS" -I "$who" -n {namespace} -s "$sig" < "${{sig%/*}}/{tag}"
    done

5. The time tokens, by the authority you trust. Without one the times in the bundle are what its maker said.

    for token in seal/*/*.tsr; do
      if ! test -e "$token"; then echo "NO TIME TOKEN: nothing here proves when this bundle was made"; continue; fi
      openssl ts -verify -data "${{token%.tsr}}" -in "$token" -CAfile "$TSA_CA"
      openssl ts -reply -in "$token" -text | grep '^Time stamp:'
    done

A signer whose key was valid then and is no longer: add `-O verify-time=YYYYMMDDHHMMSSZ` with the token's time to the
line of ssh-keygen. A later seal covers the earlier ones; a file that changed between two seals has its earlier version
under data/versions/. `incident verify` checks all of this and the chains of events as well.
"""


def text() -> str:
    """The text; it is the same in every bundle."""
    return _TEXT.format(tag=TAG_MANIFEST, manifest=MANIFEST, namespace=NAMESPACE)
