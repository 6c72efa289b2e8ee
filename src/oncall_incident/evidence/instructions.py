# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VERIFY.txt: how to check a bundle with programs that are on any machine. A test runs exactly these lines."""

from __future__ import annotations

from .bag import BAG_INFO, MANIFEST, TAG_MANIFEST
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

with these lines as its input. It says what it found and ends with 0 only if nothing is wrong
and the last seal is signed by somebody on your list.

1. Nothing but regular files: a link could lead out of the bundle.

    test -z "$(find . ! -type d ! -type f)"

2. Every file is as the manifests say. Then, that no file was added, which sha256sum does not see.

    sha256sum --quiet --strict -c {tag}
    sha256sum --quiet --strict -c {manifest}
    find data -type f | LC_ALL=C sort > /tmp/found.$$
    cut -c67- {manifest} | LC_ALL=C sort > /tmp/listed.$$
    diff /tmp/listed.$$ /tmp/found.$$
    rm -f /tmp/listed.$$ /tmp/found.$$

3. The last seal is over these very manifests. Then, that no file was added outside data either.

    last=$(ls seal | LC_ALL=C sort | tail -n 1)
    diff "seal/$last/{tag}" {tag}
    diff "seal/$last/{manifest}" {manifest}
    find . -type f ! -path "./data/*" ! -path "./seal/$last/*" ! -path ./{tag} | cut -c3- | LC_ALL=C sort > /tmp/found.$$
    cut -c67- {tag} | LC_ALL=C sort > /tmp/listed.$$
    diff /tmp/listed.$$ /tmp/found.$$
    rm -f /tmp/listed.$$ /tmp/found.$$
    (cd "seal/$last" && find . ! -name . ! -name "*.sig" ! -name "*.tsr") | LC_ALL=C sort > /tmp/found.$$
    printf './%s\\n' allowed_signers {info} {manifest} seal.json {tag} | LC_ALL=C sort > /tmp/known.$$
    test -z "$(LC_ALL=C comm -13 /tmp/known.$$ /tmp/found.$$)"
    rm -f /tmp/known.$$ /tmp/found.$$

4. The signatures of every seal, by signers on your list. The last seal needs one: without, it is a sum anybody can make again,
   and an earlier seal's signature says nothing about what is here now.

    signed=yes
    for sig in "seal/$last"/*.sig; do
      test -e "$sig" || {{ echo "NOT SIGNED: nobody vouches for seal $last"; signed=no; }}
    done
    for sig in seal/*/*.sig; do
      test -e "$sig" || continue
      who=$(basename "$sig" .sig)
      ssh-keygen -Y verify -f "$ALLOWED_SIGNERS" -I "$who" -n {namespace} -s "$sig" < "${{sig%/*}}/{tag}"
    done

5. The time tokens, by the authority you trust. Without one the times in the bundle are what its maker said.

    for token in "seal/$last"/*.tsr; do
      test -e "$token" || echo "NO TIME TOKEN: nothing here proves when seal $last was made"
    done
    for token in seal/*/*.tsr; do
      test -e "$token" || continue
      openssl ts -verify -data "${{token%.tsr}}" -in "$token" -CAfile "$TSA_CA"
      openssl ts -reply -in "$token" -text | grep '^Time stamp:'
    done

6. The end: 3 when nothing is wrong with what is there, and nobody vouches for it.

    test "$signed" = yes || exit 3

A signer whose key was valid then and is no longer: add `-O verify-time=YYYYMMDDHHMMSSZ` with the token's time to the
line of ssh-keygen. A later seal covers the earlier ones; a file that changed between two seals has its earlier version
under data/versions/. `incident verify` checks all of this and the chains of events as well.
"""


def text() -> str:
    """The text; it is the same in every bundle."""
    return _TEXT.format(tag=TAG_MANIFEST, manifest=MANIFEST, info=BAG_INFO, namespace=NAMESPACE)
