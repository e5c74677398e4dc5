"""Every provider, source and job is found by discovery and asked the same hard questions."""
