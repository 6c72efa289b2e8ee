# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fragments of the changelog tell the users of the last release what is new to them."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FRAGMENTS = sorted((ROOT / "changelogs" / "fragments").glob("*.yml"))
#: The scenarios that a release had.
RELEASED_SCENARIOS = {"db-recovery"}


def unreleased() -> set[str]:
    """Modules, roles and scenarios that no release had."""
    releases = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"].values()
    released = {one["name"] for release in releases for one in release.get("modules", [])}
    released |= {one["name"] for release in releases for one in release.get("objects", {}).get("role", [])}
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    # Those that every scenario uses came with the first one.
    roles = {path.name for path in (ROOT / "roles").iterdir()} - {"evidence", "incident"}
    scenarios = {path.stem for path in (ROOT / "incident").glob("*.yml")} - RELEASED_SCENARIOS
    return (modules | roles | scenarios) - released


def test_nothing_is_mended_that_no_release_had() -> None:
    names, strange = unreleased(), []
    for path in FRAGMENTS:
        for entry in (yaml.safe_load(path.read_text()) or {}).get("bugfixes", []):
            about, dash, _what = entry.partition(" - ")
            subjects = re.split(r", | and ", about) if dash else []
            if subjects and all(one.removeprefix("role ").removesuffix(" role") in names for one in subjects):
                strange.append(f"{path.name}: {entry[:80]}")
    assert strange == [], "what is new has no bugs yet: say it where the new thing is told, or nowhere"


def test_fragments_have_their_licence() -> None:
    assert [path.name for path in FRAGMENTS if not path.read_text().startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")] == []
