# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers of the kit: one file for each subject, found by themselves."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from tests.conformance.kit import Driver, Health, Mitigating


def _all() -> list[type[Driver]]:
    found: dict[str, type[Driver]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for one in vars(module).values():
            if inspect.isclass(one) and issubclass(one, Driver) and "module" in vars(one):
                found[one.__qualname__] = one
    return sorted(found.values(), key=lambda one: one.module)


DRIVERS = _all()
MITIGATING = [one for one in DRIVERS if issubclass(one, Mitigating)]
HEALTH = [one for one in DRIVERS if issubclass(one, Health)]
