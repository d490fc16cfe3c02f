"""Checks on candidates: data in, findings out. Heavy libraries load inside the functions."""
