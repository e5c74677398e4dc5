"""Adapters: one third party a file."""
