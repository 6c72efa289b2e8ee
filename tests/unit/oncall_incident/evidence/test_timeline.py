# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline's lines, which are written by hand, are those of the encoder."""

from __future__ import annotations

import json
from pathlib import Path

from oncall_incident.evidence import timeline
from tests.support import incidents

ODD = 'quotes " and \\, a tab \t, an e with an accent é, a snowman ☃, NUL \0, a lone surrogate \ud800, line separator \u2028'


def test_a_line_is_what_the_encoder_writes(tmp_path: Path) -> None:
    incident = next(iter(incidents.make_store(tmp_path, 1).incidents()))
    incident.append("note", {"text": ODD, "by": ODD})
    incident.append("note", {"text": "told later", "at": "2001-01-01T00:00:00Z"})
    incident.append("note", {"text": "by a list", "by": ["x", 1.5, None, True]})
    lines = list(timeline.lines(incident.data))
    assert lines == [json.dumps(json.loads(line), ensure_ascii=False, sort_keys=True) for line in lines]
    assert "told later" in lines[0] and len(lines) > 4
    times = [json.loads(line)["datetime"] for line in lines]
    assert times == sorted(times)
