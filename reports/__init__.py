"""Audit reports: from a plain dictionary of facts to a document, HTML and a sealed PDF.

A leaf package: it imports nothing of govern or the gate, reads no database and no clock.
"""
