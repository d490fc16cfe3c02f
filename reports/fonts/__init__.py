"""The bundled fonts: Source Serif 4, Source Sans 3, Source Code Pro (SIL OFL 1.1) and DejaVu Sans.

Data only; each family's licence lies beside its files.
"""
