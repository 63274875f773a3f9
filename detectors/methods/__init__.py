"""Detectors, one a file; each registers itself and is usable alone.

The docstring of a detector's class holds these paragraphs, each beginning with its word. The page
``docs/detectors.md`` is written from them, a test runs the example, and a contract test fails
where one is missing::

    Statistic: what is computed, as a formula, with shapes.
    Effect: what the effect measures, its unit and how its 95 % interval comes about.
    Test: where the p-value comes from and what makes it exact, a bound or approximate.
    Cost: time and memory in big-O, and one measured figure.
    Not for: when another detector is right.
    Source: the citation.

and last an example with ``>>>`` that is seeded and runs.
"""
