"""Frozen nouns and the one meaning of admitted; no I/O, no clock."""
