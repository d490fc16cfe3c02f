"""SQL storage: exact signed bytes plus index columns that can be rebuilt from them."""
