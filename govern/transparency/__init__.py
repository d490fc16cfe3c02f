"""The signing and log core: bytes in, bytes out; no I/O, no clock."""
