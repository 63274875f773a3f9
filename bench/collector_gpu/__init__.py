"""What the tap costs a model that runs on a GPU: ``python -m bench.collector_gpu``."""
