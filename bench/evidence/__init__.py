"""The engine against its promise, on simulated production traffic: ``python -m bench.evidence``.

Parts: ``year`` (false pages in a production year), ``peers`` (other tools' rules on the same
traffic), ``delay`` (faults), ``guarantees`` (realised against stated rates), ``reference`` (the
figures of the literature), ``speed``. Each writes its part of ``bench/results/evidence.json``.
"""
