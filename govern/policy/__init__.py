"""Policy as code: packs of dated rules, evaluated to decisions; no I/O, no clock."""
