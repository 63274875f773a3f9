"""Evidently's collector: a frame of 64 rows sent to its service on this machine, which is how its
client hands a batch over. The embedding as 512 columns, what the softmax says as three."""
# mypy: ignore-errors

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

# This file has the name of the package that it measures.
sys.path.pop(0)
os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd
from evidently.legacy.collector.client import CollectorClient
from evidently.legacy.collector.config import CollectorConfig, IntervalTrigger, ReportConfig
from evidently.legacy.metrics import DatasetSummaryMetric
from evidently.legacy.report import Report

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
folder = tempfile.mkdtemp()
program = f"""
import os; os.chdir({folder!r})
from evidently.legacy.collector.app import create_app
import uvicorn
uvicorn.run(create_app(), host="127.0.0.1", port={port}, log_level="error")
"""
server = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
try:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(1000), 64)
    frame = pd.DataFrame(rng.normal(size=(64, 512)), columns=[f"e{i}" for i in range(512)])
    frame["confidence"] = outputs.max(axis=1)
    frame["predicted"] = outputs.argmax(axis=1).astype(str)
    frame["latency_s"] = 0.01
    frame["site"] = [f"site-{i % 4}" for i in range(64)]
    frame["camera"] = [f"camera-{i % 12}" for i in range(64)]
    client = CollectorClient(f"http://127.0.0.1:{port}")
    config = CollectorConfig(
        trigger=IntervalTrigger(interval=3600),
        report_config=ReportConfig.from_report(Report([DatasetSummaryMetric()])),
        reference_path=None,
        project_id="00000000-0000-0000-0000-000000000000",
    )
    client.create_collector("bench", config)
    taken = []
    for _ in range(15):
        started = time.perf_counter()
        client.send_data("bench", frame)
        taken.append((time.perf_counter() - started) * 1e6)
    what = "CollectorClient.send_data, 64 rows of 517 columns"
    print(json.dumps({"caller_us_batch64": round(statistics.median(taken), 1), "what": what}))
finally:
    server.kill()
    server.wait()
