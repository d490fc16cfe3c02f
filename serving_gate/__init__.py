"""The data plane: a proxy that admits, forwards and records; it imports only the pure core."""
