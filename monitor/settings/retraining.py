"""Settings of a model's retraining: when it is asked for, of whom, and how it is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.fields import (
    Count,
    Days,
    HttpAddress,
    Name,
    SecretRef,
    Section,
    Share,
    Switch,
    Text,
)

Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")]
Plain = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]


class Retraining(Section):
    datasets: str | None = None
    images: tuple[Text, ...] = ()
    hook: Literal["none", "webhook", "github", "airflow", "argo"] = "none"
    url: HttpAddress | None = None
    secret: SecretRef | None = None
    user: str = ""
    repository: Repository | None = None
    workflow: Plain | None = None
    ref: Plain = "main"
    dag: Name | None = None
    namespace: Name = "default"
    template: Name | None = None
    automatic: Switch = False
    after_labels: Count | None = None
    accuracy_below: Share | None = None
    older_than_days: Days | None = None
    labels_of_days: Days = 90.0
    rest_days: Days = 7.0
    judge_after_labels: Annotated[int, Field(ge=20, le=1_000_000, strict=True)] = 100
    judge_within_days: Days = 14.0
    least_gain: Share = 0.01

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys that the hook can't do without."""
        return {
            "none": (),
            "webhook": ("url", "secret"),
            "github": ("secret", "repository", "workflow"),
            "airflow": ("url", "secret", "dag"),
            "argo": ("url", "secret", "template"),
        }[self.hook]
