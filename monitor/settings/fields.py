"""What settings are made of: types with bounds, and sections that refuse unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitor.settings.addresses import http_address, trace_address
from vigil.types import Slice


def time_zone(name: str) -> str:
    """Raises:
    ValueError: not the name of a time zone.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone such as Europe/Berlin or UTC") from None
    return name


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Positive = Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
Window = Annotated[float, Field(ge=0.1, le=86_400, strict=True)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000, strict=True)]
Wait = Annotated[float, Field(ge=0, le=31_536_000, strict=True)]
Days = Annotated[float, Field(gt=0, le=36_500, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HttpAddress = Annotated[str, AfterValidator(http_address)]
TraceUrl = Annotated[str, AfterValidator(trace_address)]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Port = Annotated[int, Field(ge=1, le=65_535, strict=True)]
Text = Annotated[str, Field(min_length=1)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


def slice_name(text: str) -> str:
    """Raises:
    ValueError: not a slice.
    """
    return str(Slice.parse(text))


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretRef(Section):
    """Where a secret is: an environment variable, or a file."""

    env: Variable | None = None
    file: Path | None = None
