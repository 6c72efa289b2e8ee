# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision made again from what a record keeps of it, without a run."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.recorded import Basis
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import again as frame


def _need_the_controller() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 # make unit39 runs the tests of module_utils on it
        pytest.skip("the controller makes decisions again, and has Python 3.11 or newer")


def again(reading: Any) -> frame.Decided:
    """The decision, by the controller's code: on a managed host's older Python the test is skipped."""
    _need_the_controller()
    return frame.again(reading)


def decided_again(basis: Basis | None, **engine: Any) -> frame.Decided:
    """The decision, from its reading as a record has it: redacted, and through JSON."""
    assert basis is not None, "it says nothing of what it was made from"
    _need_the_controller()
    from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

    clean, _removed = Redactor(key=b"k" * 32).clean({"result": {"reading": basis.as_reading(**engine)}})
    return again(json.loads(json.dumps(clean))["result"]["reading"])
