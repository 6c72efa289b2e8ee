# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import threshold_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.thresholds import OTHERS, THRESHOLDS
from ansible_collections.oncall.incident.plugins.module_utils._redis.health_args import health_spec


def test_what_may_be_stated_is_every_option_of_the_module() -> None:
    """Else an option that the module takes would be refused at the start."""
    assert set(health_spec()) == {*threshold_spec(THRESHOLDS), *OTHERS}
