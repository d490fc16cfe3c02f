"""Errors of the report package. It does not know the errors of govern: callers translate them."""


class ReportError(Exception):
    """The report cannot be made; the message is one sentence that says why."""
