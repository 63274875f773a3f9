"""Judging: what arrived, what it is evidence of, which slice and cause a drift has."""
