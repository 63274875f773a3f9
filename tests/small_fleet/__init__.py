"""A small synthetic fleet and a whole service that watches it, for tests of ticks and responses.

Two sites with two cameras each, windows of a second, 600 windows of healthy history. What the
cameras see in a window depends on the seed and the window's number alone, so that two runs of a
story see the same, killed and restarted or not.
"""

from small_fleet.cameras import (
    CAMERAS,
    CLASSES,
    DEPLOYMENT,
    FIRST,
    HEALTHY,
    HISTORY,
    KEPT,
    KEYS,
    LATENESS_S,
    MODEL,
    NEW_CAMERAS,
    NOON,
    REGRESSED,
    THRESHOLD,
    WIDTH,
    Scene,
    World,
    at,
    baseline,
    embedding_of,
    recorder_of,
    ruler_of,
    some_labels,
    world,
)
from small_fleet.database import Rows, count_on, restore, rows_of
from small_fleet.service import WITH_REGISTRY, history_rows, opened, relabel, rollback, settings
from small_fleet.stories import Story, story
from small_fleet.told import Notes

__all__ = [
    "CAMERAS",
    "CLASSES",
    "DEPLOYMENT",
    "FIRST",
    "HEALTHY",
    "HISTORY",
    "KEPT",
    "KEYS",
    "LATENESS_S",
    "MODEL",
    "NEW_CAMERAS",
    "NOON",
    "REGRESSED",
    "THRESHOLD",
    "WIDTH",
    "WITH_REGISTRY",
    "Notes",
    "Rows",
    "Scene",
    "Story",
    "World",
    "at",
    "baseline",
    "count_on",
    "embedding_of",
    "history_rows",
    "opened",
    "recorder_of",
    "relabel",
    "restore",
    "rollback",
    "rows_of",
    "ruler_of",
    "settings",
    "some_labels",
    "story",
    "world",
]
