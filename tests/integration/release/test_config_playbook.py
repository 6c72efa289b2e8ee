# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario config-restore: one host whose files come back, and one that is not well with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kept_config import KEPT, OLD, Place
from tests.support.site import Ended, Site

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Place], Ended, Ended]:
    """The plan, and the run."""
    place = tmp_path_factory.mktemp("site")
    places = {}
    for name in ("well", "sick"):
        (place / name).mkdir()
        places[name] = Place(place / name)
    site = Site(place, playbook="config-restore", common={
        "release_become": False, "release_verify_hold": "0s", "release_verify_timeout": "1s", "release_config_hold": "0s",
        "release_config_timeout": "1s", "evidence_snapshot": False,
    })
    site.group("app", **{
        name: {
            "release_config_paths": [str(path) for path in one.files], "release_config_source": str(one.archive),
            "release_config_root": str(one.place), "release_config_kept_in": str(one.place / "kept"),
            "release_config_validate": ["grep", "-q", "listen", "{file}"],
            "release_config_health": ["true"] if name == "well" else ["grep", "-q", "listen 80$", str(one.files[0])],
        } for name, one in places.items()
    })
    before = {name: one.world() for name, one in places.items()}
    planned = site.play("--check")
    assert {name: one.world() for name, one in places.items()} == before, "check mode touches nothing"
    return places, planned, site.play("--forks", "1")


def test_the_plan_shows_what_would_change_and_no_secret(played: tuple[dict[str, Place], Ended, Ended]) -> None:
    _places, planned, _done = played
    assert planned.outcomes() == ["planned"] * 4, planned.output
    assert all("+listen 8080" in action["detail"]["diff"] for action in planned.actions())
    recorded = "".join(path.read_text() for path in Path(planned.home).rglob("*.jsonl"))
    assert "canary" not in planned.output and "canary" not in recorded


def test_what_is_well_stays_and_what_is_not_goes_again(played: tuple[dict[str, Place], Ended, Ended]) -> None:
    places, _planned, done = played
    assert done.outcomes("well") == ["done", "done"] and places["well"].texts() == [KEPT, KEPT], done.output
    assert done.outcomes("sick") == ["failed", "failed"] and places["sick"].texts() == [OLD, OLD]
    assert done.failed == {"sick"} and done.findings("verify", "well")["config_files"] == "ok"
