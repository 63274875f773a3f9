"""Whether what a model is given is what it should be: docs/data-quality.md."""

from vigil.quality.encoded import Encoded, check_encoded, decode_checked

__all__ = ["Encoded", "check_encoded", "decode_checked"]
