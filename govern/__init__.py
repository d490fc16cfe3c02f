"""govern: the control plane of a governance and model-audit system; importing it imports nothing."""

__version__ = "0.1.0"
