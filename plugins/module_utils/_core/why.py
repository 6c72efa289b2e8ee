# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an action has the outcome that it has: one vocabulary for every module.

This module util is PRIVATE to the collection: it may change at any time.

`why` of an action's detail is one of these words, so that a caller can branch on it. What the target system said is in `error`, what to
do about it is in `hint`. Records that were made before 0.2 have sentences in `why`.
"""

from __future__ import annotations

# A rule of ours.
NOT_APPROVED = "not_approved"
LIMIT_EXCEEDED = "limit_exceeded"
LOCKED = "locked"
PROTECTED = "protected"
FORBIDDEN = "forbidden"
CANNOT_HELP = "cannot_help"
OPTION_OFF = "option_off"
WAITS_FOR_ANOTHER = "waits_for_another"
CANNOT_LOOK = "cannot_look"
# The target is not, or no longer, what was judged.
ALREADY_SO = "already_so"
EARLIER_RUNG_HELPED = "earlier_rung_helped"
GONE_ALREADY = "gone_already"
NO_LONGER_MATCHES = "no_longer_matches"
IDENTITY_CHANGED = "identity_changed"
RESTARTED = "restarted"
# It was tried.
NOT_PERMITTED = "not_permitted"
TARGET_REFUSED = "target_refused"
NOT_MEASURED = "not_measured"
DID_NOT_HOLD = "did_not_hold"
CAME_BACK = "came_back"
NO_ANSWER = "no_answer"
STILL_AT_WORK = "still_at_work"
# It was not tried.
OUT_OF_TIME = "out_of_time"
NOT_TRIED = "not_tried"

#: What each means, for people: what a screen shows, and docs/reference.md lists.
SENTENCES = {
    NOT_APPROVED: "It is not in the approved plan.",
    LIMIT_EXCEEDED: "With it more would be changed than the limits allow.",
    LOCKED: "Another run acts on the same target.",
    PROTECTED: "A rule protects the target.",
    FORBIDDEN: "The caller forbids it in this state.",
    CANNOT_HELP: "It cannot have the effect that it is for.",
    OPTION_OFF: "The option that allows it is off.",
    WAITS_FOR_ANOTHER: "Another action must be done first.",
    CANNOT_LOOK: "The target could not be looked at before acting.",
    ALREADY_SO: "It is so already.",
    EARLIER_RUNG_HELPED: "A rung before it was enough: the checks of verify are ok.",
    GONE_ALREADY: "The target was gone before anything was done.",
    NO_LONGER_MATCHES: "The target is there, and what it was judged by is no longer true.",
    IDENTITY_CHANGED: "Somebody else has the target's place now.",
    RESTARTED: "This is another start of the server, or another server, than the one that was approved.",
    NOT_PERMITTED: "The target system does not permit it.",
    TARGET_REFUSED: "The target system refused it.",
    NOT_MEASURED: "It was done, and the measurement does not show it.",
    DID_NOT_HOLD: "It was done, and did not stay so.",
    CAME_BACK: "It was done, and something undid it.",
    NO_ANSWER: "It was begun, and what came of it could not be looked at.",
    STILL_AT_WORK: "What was begun before has not ended.",
    OUT_OF_TIME: "The time was over before it was tried.",
    NOT_TRIED: "It was not tried, since what went before it failed.",
}
