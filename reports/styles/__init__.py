"""Stylesheets of the reports; data only."""
