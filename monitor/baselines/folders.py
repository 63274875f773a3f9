"""A folder of images with a table of predictions beside them.

``predictions.csv`` or ``predictions.jsonl`` has one row per image: ``image`` (a path within the
folder), ``probabilities`` or ``logits`` (a list; in CSV written as JSON, or in columns ``p0``,
``p1`` ...), ``embedding``, ``label``, and metadata. ``embeddings.npy``, where it exists, has their
embeddings in the order of the rows.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import BaselineError

ROWS = 256
LISTS = ("probabilities", "logits", "embedding")
_SPREAD = re.compile(r"p_?(\d+)")


def folder_columns(folder: Path, table: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The rows of ``table`` with their images, in batches of images of one shape.

    Raises:
        BaselineError: an image, a row or the embeddings can't be read.
    """
    rows = _csv(table) if table.suffix == ".csv" else _jsonl(table)
    embeddings = _embeddings(folder / "embeddings.npy")
    first = 0
    while chunk := list(islice(rows, ROWS)):
        images = [_image(folder, row, f"{table}:{line}") for line, row in chunk]
        start = 0
        for end in range(1, len(chunk) + 1):
            if end < len(chunk) and _shape(images[end]) == _shape(images[start]):
                continue
            where = f"{table}:{chunk[start][0]}"
            columns = _columns([row for _, row in chunk[start:end]], where)
            pixels = [image for image in images[start:end] if image is not None]
            if pixels:
                columns["image"] = np.stack(pixels)
            if embeddings is not None:
                if first + end > len(embeddings):
                    raise BaselineError(
                        f"{folder / 'embeddings.npy'}: expected a row for each of {table.name}, "
                        f"found {len(embeddings)}"
                    )
                columns["embedding"] = embeddings[first + start : first + end]
            yield columns, end - start
            start = end
        first += len(chunk)


def _csv(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield reader.line_num, _gathered(row, f"{table}:{reader.line_num}")


def _gathered(row: dict[str, Any], where: str) -> dict[str, Any]:
    """Lists that are written as JSON, or spread over columns p0, p1 ..., as lists."""
    if None in row:
        raise BaselineError(f"{where}: expected as many values as there are columns, found more")
    out: dict[str, Any] = {}
    spread: dict[int, float] = {}
    for name, text in row.items():
        match = _SPREAD.fullmatch(name)
        try:
            if match:
                spread[int(match[1])] = float(text)
            elif name in LISTS:
                out[name] = json.loads(text)
            else:
                out[name] = text
        except (TypeError, ValueError):
            raise BaselineError(f"{where}: {name}: expected numbers, found {text!r}") from None
    if spread:
        out["probabilities"] = [spread[i] for i in sorted(spread)]
    return out


def _jsonl(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with table.open(encoding="utf-8") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise BaselineError(f"{table}:{line}: expected a JSON object, found {text[:80]!r}")
            yield line, row


def _columns(rows: list[dict[str, Any]], where: str) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in rows for name in row if name != "image"))
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    for name in (*LISTS, "latency_s"):
        if name in columns:
            try:
                columns[name] = np.array(
                    [np.nan if value in (None, "") else value for value in columns[name]],
                    np.float64,
                )
            except (TypeError, ValueError):
                raise BaselineError(
                    f"{where}: {name}: expected numbers, as many in each row, found others"
                ) from None
    return columns


def _image(folder: Path, row: dict[str, Any], where: str) -> NDArray[np.uint8] | None:
    name = row.get("image")
    if not name:
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(folder / str(name)) as image:
            grey = image.mode in ("1", "L", "I", "I;16", "F")
            return np.asarray(image.convert("L" if grey else "RGB"), np.uint8)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BaselineError(f"{where}: image {name!r} can't be read: {error}") from None


def _shape(image: NDArray[np.uint8] | None) -> tuple[int, ...] | None:
    return None if image is None else image.shape


def _embeddings(path: Path) -> NDArray[Any] | None:
    if not path.exists():
        return None
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: expected an array, found {error}") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise BaselineError(f"{path}: expected (rows, dimensions), found another shape")
    return array
