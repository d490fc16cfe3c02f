"""The offline verifier: no Flask, no SQL, no network."""
