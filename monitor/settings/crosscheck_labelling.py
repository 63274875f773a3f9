"""What settings of a label queue need beyond their own shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitor.settings.addresses import has_login, is_private_way, is_storable
from monitor.settings.labelling import FilesQueue, Relabel
from monitor.settings.problem import Problem


def labelling_problems(
    rules: Relabel, class_names: Sequence[str], path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Two queues, a place that can't be written, a token in the open, classes without names."""
    if rules.folder is not None and rules.queue is not None:
        yield Problem(path=(*path, "folder"), expected="folder or queue", found="both")
        return
    queue, where = rules.waits_in, (*path, "folder")
    if queue is None:
        return
    if has_login(queue.url):
        yield Problem(
            path=where if rules.queue is None else (*path, "queue", "url"),
            expected="a place without a name or password, because it is shown",
            found="one with them",
        )
        return
    if isinstance(queue, FilesQueue):
        if not is_storable(queue.url):
            yield Problem(
                path=where if rules.queue is None else (*path, "queue", "url"),
                expected="a folder, or a URL that fsspec knows",
                found=repr(queue.url),
            )
        return
    if not is_private_way(queue.url):
        yield Problem(
            path=(*path, "queue", "url"),
            expected="an https address (http only to this machine), because a token is sent",
            found=repr(queue.url),
        )
    if rules.labels == "boxes" and queue.kind == "labelbox":
        yield Problem(
            path=(*path, "labels"),
            expected='"classes", because boxes come from files, label-studio and cvat only',
            found='"boxes"',
        )
    least = 1 if rules.labels == "boxes" else 2
    if len(class_names) < least or len(set(class_names)) < len(class_names):
        yield Problem(
            path=(*path[:-1], "class_names"),
            expected=f"the name of each class, once, because labels come from {queue.kind}",
            found=f"{len(class_names)} names",
        )
