# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module about tunnels needs. docs/rights.md shows it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import CONTROLLER, FILE, Chapter, Needs, Right

CHAPTER = Chapter(10, "Ways to a server", (
    Needs("tunnel", CONTROLLER, ("tunnel",), (
        Right(FILE, "<key of ssh, or kubeconfig>: read", ("tunnel",), "The module fails with what `ssh` or `kubectl` said."),
    )),
), text="""
On the other side the tunnel needs what its command needs: for SSH the user may forward ports (`AllowTcpForwarding local`,
`PermitOpen <server>:<port>`) and needs no shell; for Kubernetes `create` on `pods/portforward` and `get` on `pods` and `services`.
""")
