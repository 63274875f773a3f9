"""A model's report as one page without any outside resource."""

from __future__ import annotations

from markupsafe import Markup

from dashboards.console.pages import bare, static
from dashboards.console.readmodels.card import ModelCard


def render_card(card: ModelCard) -> str:
    """One HTML page: styles and plots inside it, no script."""
    style = Markup(static("console.css").decode().replace("</", "<\\/"))
    return bare("card.html", card=card, style=style)
