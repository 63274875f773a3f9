"""What can be wrong with a record's data, and what a window counts of it."""

from __future__ import annotations

from enum import StrEnum


class DataFault(StrEnum):
    """One kind of fault. The place of a kind is its bit in a record's flags: append only."""

    BLACK = "black_frame"
    FROZEN = "frozen_frame"
    NEAR_DUPLICATE = "near_duplicate"
    IMAGE_SIZE = "image_size"
    IMAGE_CHANNELS = "image_channels"
    IMAGE_TYPE = "image_type"
    IMAGE_RANGE = "image_range"
    CLASSES = "classes"
    EMBEDDING_SIZE = "embedding_size"
    KEY_MISSING = "key_missing"
    KEY_NEW = "key_new"
    KEY_KIND = "key_kind"

    @property
    def bit(self) -> int:
        """Its bit in flags."""
        return 1 << _PLACE[self]

    @property
    def words(self) -> str:
        """What it means, as pages say it."""
        return _WORDS[self]


_PLACE = {kind: place for place, kind in enumerate(DataFault)}
_WORDS = {
    DataFault.BLACK: "frames are black",
    DataFault.FROZEN: "one and the same frame again and again",
    DataFault.NEAR_DUPLICATE: "looks like a frame shortly before it",
    DataFault.IMAGE_SIZE: "images of another size than the baseline's",
    DataFault.IMAGE_CHANNELS: "images of another number of channels than the baseline's",
    DataFault.IMAGE_TYPE: "images of another number type than the baseline's",
    DataFault.IMAGE_RANGE: "pixel values outside the baseline's range",
    DataFault.CLASSES: "another number of classes than the baseline's",
    DataFault.EMBEDDING_SIZE: "embeddings of another size than the baseline's",
    DataFault.KEY_MISSING: "a metadata key that every record of the baseline had is missing",
    DataFault.KEY_NEW: "a metadata key that no record of the baseline had",
    DataFault.KEY_KIND: "a metadata value of another kind than the baseline's",
}
