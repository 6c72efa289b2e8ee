# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords asked for once, before anything starts, and given to Ansible at its own prompts: never on a command line."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Sequence

from ..errors import Stop

_KINDS = {
    "ssh": ("--ask-pass", "SSH password: ", r"SSH password:\s*?$"),
    "become": ("--ask-become-pass", "BECOME password: ", r"BECOME password.*:\s*?$"),
    "vault": ("--ask-vault-pass", "Vault password: ", r"Vault password:\s*?$"),
}
#: The label of what has none, as Ansible calls it.
_DEFAULT = "default"


def ask(kinds: Sequence[str], *, vault_ids: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Ansible's options and the answers by the pattern of its prompt.

    Args:
        kinds: ssh, become, vault.
        vault_ids: those that end in @prompt are asked for as well.

    Raises:
        Stop: there is no terminal to ask on.
    """
    options, answers = [], {}
    for kind in kinds:
        option, prompt, pattern = _KINDS[kind]
        options.append(option)
        answers[pattern] = _answer(prompt)
    for label in filter(None, map(prompted, vault_ids)):
        answers[rf"Vault password \({re.escape(label)}\):\s*?$"] = _answer(f"Vault password ({label}): ")
    return options, answers


def ask_vault(*, plain: bool, vault_ids: Sequence[str]) -> dict[str, str]:
    """Vault passwords by the label of their identity.

    Args:
        plain: whether one without an identity is wanted.
        vault_ids: those that end in @prompt are asked for.

    Raises:
        Stop: there is no terminal to ask on.
    """
    found = {_DEFAULT: _answer(_KINDS["vault"][1])} if plain else {}
    for label in filter(None, map(prompted, vault_ids)):
        found[label] = found.get(label) or _answer(f"Vault password ({label}): ")
    return found


def prompted(vault_id: str) -> str:
    """The label of a vault identity whose password is asked for; empty when it comes from elsewhere."""
    label, _, source = vault_id.rpartition("@")
    return (label or _DEFAULT) if source in ("prompt", "prompt_ask_vault_pass") else ""


def _answer(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise Stop(
            f"{prompt.strip(': ')} cannot be asked for: the input is not a terminal.",
            hint="Use a password file, or variables from a vault.",
        )
    return getpass.getpass(prompt)
