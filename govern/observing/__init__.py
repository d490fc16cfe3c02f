"""What ``govern.recorder`` sees: code, environment, tables and models. Imports stay lazy."""
