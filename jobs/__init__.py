"""Jobs: one file a family, plain async functions."""
