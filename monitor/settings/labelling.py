"""Settings of a model's label queue: what is picked, for whom, and where it waits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from monitor.settings.fields import (
    Days,
    HttpAddress,
    Seconds,
    SecretRef,
    Section,
    Share,
    Text,
    slice_name,
)

_Budget = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class FilesQueue(Section):
    """A folder or an fsspec URL such as ``s3://bucket/prefix``."""

    kind: Literal["files"]
    url: Text
    formats: tuple[Literal["coco", "yolo"], ...] = ()


class LabelStudioQueue(Section):
    """A Label Studio server; without ``project`` one is made under the model's name."""

    kind: Literal["label-studio"]
    url: HttpAddress
    token: SecretRef
    webhook_token: SecretRef | None = None
    project: Annotated[int, Field(ge=1, strict=True)] | None = None


class CvatQueue(Section):
    """A CVAT server; without ``project`` one is made under the model's name."""

    kind: Literal["cvat"]
    url: HttpAddress
    token: SecretRef
    project: Annotated[int, Field(ge=1, strict=True)] | None = None


class LabelboxQueue(Section):
    """A Labelbox project, and the dataset that holds its images; both are made by people."""

    kind: Literal["labelbox"]
    url: HttpAddress = "https://api.labelbox.com"
    token: SecretRef
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{5,60}$")]
    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{5,60}$")]


Queue = Annotated[
    FilesQueue | LabelStudioQueue | CvatQueue | LabelboxQueue, Field(discriminator="kind")
]


class Quota(Section):
    """A slice, ``key=value`` or several joined by `` & ``, that has at least this share."""

    slice: Annotated[str, AfterValidator(slice_name)]
    share: Share


class Assignment(Section):
    """Who labels what comes from a slice; the first that fits counts."""

    slice: Annotated[str, AfterValidator(slice_name)] = "all traffic"
    to: Annotated[str, Field(min_length=1, max_length=200)]


class Relabel(Section):
    """``folder`` is short for a queue of files."""

    folder: str | None = None
    queue: Queue | None = None
    budget: _Budget = 100
    daily: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 0
    random_share: Share = 0.1
    gold_share: Share = 0.0
    quotas: tuple[Quota, ...] = ()
    assign: tuple[Assignment, ...] = ()
    labels: Literal["classes", "boxes"] = "classes"
    annotators: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    poll_s: Seconds = 60.0
    expire_days: Days = 14.0

    @field_validator("quotas")
    @classmethod
    def _at_most_all(cls, quotas: tuple[Quota, ...]) -> tuple[Quota, ...]:
        total = sum(quota.share for quota in quotas)
        if total > 1 + 1e-9:
            raise ValueError(f"shares that add up to 1 at most, found {total:g}")
        return quotas

    @property
    def waits_in(self) -> Queue | None:
        """The queue, however it was named; None where there is none."""
        if self.queue is None and self.folder is not None:
            return FilesQueue(kind="files", url=self.folder)
        return self.queue

    @property
    def is_on(self) -> bool:
        """Whether there is a queue."""
        return self.waits_in is not None
