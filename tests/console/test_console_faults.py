"""The model's page shows which data are faulty, where, and one example."""

from __future__ import annotations

import re

from console_browser import TestClient
from console_world import DEPLOYMENT, MODEL


def test_faults_are_listed_with_their_share_place_and_example(client: TestClient) -> None:
    """Most frequent first, then inputs that became no record; and that no schema is checked."""
    page = client.get(f"/models/{MODEL}/{DEPLOYMENT}").text
    section = page.split('id="data-quality"')[1].split("</section>")[0]
    text = " ".join(re.sub("<[^>]+>", " ", section).split())
    missing, black, cut = (
        text.index(one) for one in ("key_missing", "black_frame", "files that came cut short")
    )
    assert missing < black < cut
    assert "expected the key lane, found none" in text
    assert "site=" in text
    assert "No schema is checked" in text
