"""Sources of lineage: each reads what another tool left and returns it as runs.

A source is an entry point of the group ``govern.sources``; those here and those of others are
found the same way, and a library is imported when its source is asked, not before.
"""
