"""Webhook sources: one file each, how it signs and names its events. Nothing here receives."""
