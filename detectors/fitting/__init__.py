"""The pieces of a baseline, fitted one by one; ``detectors.fit`` puts them together."""
