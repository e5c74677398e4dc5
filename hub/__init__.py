"""Reliable webhooks in, reliable jobs out: the names that providers, sources and jobs are written with."""
