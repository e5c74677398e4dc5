"""The history of the schema: every step reversible, and safe while the previous release runs."""
