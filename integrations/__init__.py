"""Providers: one file each, its operations as typed data. Nothing here sends."""
