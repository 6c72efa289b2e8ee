# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How results leave a module: a missing library named helpfully, secrets removed without harming ids.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible.module_utils.basic import missing_required_lib

from .._core import ranges
from .._core.errors import BadInput, IncidentError
from .._core.recorded import READING

_HIDDEN = "********"


def require_library(
    module: t.Any, *, name: str, url: str, found: tuple[int, ...] = (), minimum: tuple[int, ...] = (1,), traceback: str | None = None,
    otherwise: str = "",
) -> None:
    """End the module with a helpful failure when a library is missing or too old on the Python that runs it.

    Args:
        name: the library, its least version and what to install, for people.
        url: where its installation is described.
        found: the version that was imported; empty when there is none.
        minimum: the least version that will do.
        traceback: of the failed import.
        otherwise: what to do where it cannot be installed, as a sentence.
    """
    if found >= minimum:
        return
    said = f" Found: {'.'.join(str(part) for part in found)}." if found else ""
    fail_with(
        module, msg=str(missing_required_lib(name, url=url)) + said, error="missing_library",
        hint=f"Install it for the Python that runs the module on this host. {otherwise}".rstrip(), exception=traceback,
    )


def leave(
    module: t.Any, work: t.Callable[[], tuple[t.Mapping[str, t.Any], t.Optional[IncidentError]]], *, verbs: t.Collection[str] = (),
) -> None:
    """Do a module's work and end the module with what came of it; with arguments out of their ranges it does not begin.

    Args:
        verbs: of a mitigating module's actions: what is approved of them is answered also where it fails before it can begin, and what
            was carried out is told also where it fails afterwards.
        work: gives the result, and the problem that must fail the task although there is a result (None when there is none). An
            IncidentError that it raises fails the task without a result.
    """
    carried_out: list[t.Any] = []
    if verbs:
        # A module that only looks never needs the engine of actions: importing it costs each of them milliseconds.
        from .._core.acting import CARRIED_OUT as carried_out

        carried_out.clear()
    try:
        ranges.require(module.params)
        result, problem = work()
    except IncidentError as exc:
        if verbs:
            _answer(exc, module.params["approved"], verbs, carried_out)
        fail_with(module, **exc.as_result())
    except Exception as exc:
        if not carried_out:
            raise
        # A fault of ours after something was done: what was done is told all the same.
        fault = IncidentError(f"{type(exc).__name__}: {exc}")
        _answer(fault, None, verbs, carried_out)
        fail_with(module, **fault.as_result())
    else:
        if problem is not None:
            fail_with(module, **{**result, **problem.as_result()})
        exit_with(module, **result)


def _answer(
    exc: IncidentError, given: t.Optional[t.Sequence[t.Any]], verbs: t.Collection[str], carried_out: t.Sequence[t.Any],
) -> None:
    from .._core.acting import answer_all, read_approved

    if carried_out:
        exc.facts = {**exc.facts, **carried_out[-1].as_result(limits={})}
    if given is None or "actions" in exc.facts:
        return
    with contextlib.suppress(BadInput):  # which is what fails the module then
        approved = read_approved(given) or ()
        answer_all(exc, [one for one in approved if not one.verb or one.verb in verbs])


def exit_with(module: t.Any, **result: t.Any) -> None:
    """exit_json() whose ids and contract words survive a weak password; see hide_secrets()."""
    module.exit_json(**_outgoing(module, result))


def fail_with(module: t.Any, **result: t.Any) -> None:
    """fail_json() whose ids and contract words survive a weak password; see hide_secrets().

    Ansible prints a failed result on the screen, all of it but its invocation: that is where the reading goes.
    """
    said = _outgoing(module, result)
    if READING in said:
        said["invocation"][READING] = said.pop(READING)
    module.fail_json(**said)


def hide_secrets(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Remove secrets from free texts: from strings with white space in them, such as queries and messages.

    Ansible removes them from every string. A development password like `postgres`, `incident` or `1234` would then change
    the action ids and the contract's own words, and no plan could ever be approved. Single words of ours hold no secrets.
    """
    if isinstance(value, str):
        if len(value.split()) > 1:
            for secret in sorted(secrets, key=len, reverse=True):
                value = value.replace(secret, _HIDDEN)
        return value
    if isinstance(value, t.Mapping):
        return {key: hide_secrets(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide_secrets(item, secrets) for item in value]
    return value


def without_secrets(params: t.Any) -> t.Any:
    """A module's arguments without the values of its secret options, for the invocation in its result."""
    if isinstance(params, t.Mapping):
        return {key: _HIDDEN if _names_secret(str(key)) and item else without_secrets(item) for key, item in params.items()}
    return [without_secrets(item) for item in params] if isinstance(params, (list, tuple)) else params


def _names_secret(option: str) -> bool:
    return any(word in option for word in ("password", "passphrase", "secret"))


def _outgoing(module: t.Any, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    secrets = {str(secret) for secret in module.no_log_values if str(secret)}
    module.no_log_values = set()
    return {**hide_secrets(result, secrets), "invocation": {"module_args": without_secrets(module.params)}}
