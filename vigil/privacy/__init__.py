"""What may leave the process of a model, and in which form: docs/privacy.md."""

from vigil.privacy.pieces import Blur, Crop, Fill, Pixelate
from vigil.privacy.redaction import Pictured, Redact
from vigil.privacy.rules import Policy, Privacy
from vigil.privacy.salt import Salt

__all__ = [
    "Blur",
    "Crop",
    "Fill",
    "Pictured",
    "Pixelate",
    "Policy",
    "Privacy",
    "Redact",
    "Salt",
]
