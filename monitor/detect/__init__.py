"""Is this dataset like that one? A one-off comparison of two tables, without a service.

Pure inside, files at the edge::

    from monitor.detect import compare_tables, detect_files

    report = compare_tables({"brightness": before}, {"brightness": now})
    report = detect_files("validation.parquet", "today.parquet", by=("site",))
    print(report.sentence)

One comparison answers one question once. Looked at every hour it would cry wolf: that is what the
service is for.
"""

from monitor.detect.compare import compare_tables
from monitor.detect.files import detect_files
from monitor.detect.report import ColumnFinding, Report

__all__ = ["ColumnFinding", "Report", "compare_tables", "detect_files"]
