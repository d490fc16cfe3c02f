"""Use cases: the only place that says what happens in what order."""
