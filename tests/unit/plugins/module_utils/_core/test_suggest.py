# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name that somebody meant, and none where nothing is like it."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import nearest, suggest

KNOWN = ("investigate", "mitigate", "verify")


@pytest.mark.parametrize(("given", "meant"), [("mitigat", "mitigate"), ("verfy", "verify"), ("x", None), ("", None)])
def test_the_nearest(given: str, meant: str | None) -> None:
    assert nearest(given, KNOWN) == meant
    assert suggest(given, KNOWN) == (f"Did you mean {meant}? " if meant else "")


def test_how_like_it_has_to_be() -> None:
    assert nearest("ate", KNOWN, likeness=0.5) == "mitigate"
    assert nearest("ate", KNOWN, likeness=0.9) is None


def test_keys_of_a_mapping_and_no_names_at_all() -> None:
    assert nearest("verfy", {"verify": 1}.keys()) == "verify"
    assert suggest("verify", ()) == ""
