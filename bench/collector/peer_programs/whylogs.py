"""whylogs: one row a record into a profile, its cheapest way; and an image, where it can."""
# mypy: ignore-errors

import json
import os
import statistics
import sys
import time

# This file has the name of the package that it measures.
sys.path.pop(0)
os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import numpy as np
from whylogs.core import DatasetProfile

rng = np.random.default_rng(0)
outputs = rng.dirichlet(np.ones(1000), 64)
rows = [
    {
        "confidence": float(one.max()),
        "entropy": float(-(one * np.log(one + 1e-30)).sum()),
        "class": str(int(one.argmax())),
        "latency_s": 0.01,
        "site": f"site-{i % 4}",
        "camera": f"camera-{i % 12}",
    }
    for i, one in enumerate(outputs)
]
profile = DatasetProfile()
taken = []
for _ in range(12):
    started = time.perf_counter()
    for row in rows:
        profile.track(row=row)
    taken.append((time.perf_counter() - started) * 1e6)
found = {
    "caller_us_batch64": round(statistics.median(taken), 1),
    "what": "DatasetProfile.track(row=...) x 64; no embedding, no sample",
}
try:
    from PIL import Image
    from whylogs.extras.image_metric import log_image

    image = Image.fromarray(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8))
    taken = []
    for _ in range(8):
        started = time.perf_counter()
        log_image(image)
        taken.append((time.perf_counter() - started) * 1e6)
    found["image_us"] = round(statistics.median(taken), 1)
except Exception as error:
    found["image_skipped"] = f"{type(error).__name__}: {error}"[:200]
print(json.dumps(found))
