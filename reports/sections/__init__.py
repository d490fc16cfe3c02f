"""The sections of a report: each module turns one part of the facts into frozen blocks.

No I/O, no clock, no layout: words come from reports/texts, look from reports/styles.
"""
