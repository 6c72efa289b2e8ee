# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a module needs, as data: `rights.py` of each subject states them, docs/rights.md shows them.

tests/conformance/test_rights.py runs the modules with exactly these rights, and with each one taken away.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses

SQL, ACL, FILE, SOCKET, SUDO, CAPABILITY, ROOT, RBAC = KINDS = ("sql", "acl", "file", "socket", "sudo", "capability", "root", "rbac")

LOOK, CHANGE, CONTROLLER = PURPOSES = ("look", "change", "controller")


@dataclasses.dataclass(frozen=True)
class Right:
    """One right.

    Attributes:
        kind: one of KINDS.
        grant: the right itself, as its product writes it: what follows GRANT, a rule of an ACL, a line of sudoers, a path and its access.
            What differs from system to system stands in angle brackets.
        of: the checks or verbs that need it. Empty: no answer depends on it.
        without: what happens when it is missing. Words in backquotes are in the module's result.
        named: what the module's message names when the right is missing; empty for the grant itself.
        when: the case in which it is needed; empty for always.
        on: the kind of server that alone knows it, such as a Sentinel; empty for every one that the module speaks to.
        within: what it may be limited to: the pattern of the keys that a command of Redis is for. Empty: it has no such limit.
    """

    kind: str
    grant: str
    of: tuple[str, ...]
    without: str
    named: str = ""
    when: str = ""
    within: str = ""
    on: str = ""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What one module needs.

    Attributes:
        module: its name.
        purpose: one of PURPOSES: it only looks, it changes something, or it works on the controller alone.
        answers: its checks or verbs; `of` of each right names some of them.
        rights: the rights; none where `free` says why.
        free: why it needs no right.
    """

    module: str
    purpose: str
    answers: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    free: str = ""


@dataclasses.dataclass(frozen=True)
class Chapter:
    """What the modules of one subject need: a chapter of docs/rights.md.

    Attributes:
        place: of the chapter in the page.
        title: its heading.
        needs: what each module needs.
        text: what stands before the table.
        example: a block to copy, where it is not made from the grants.
    """

    place: int
    title: str
    needs: tuple[Needs, ...]
    text: str = ""
    example: str = ""
