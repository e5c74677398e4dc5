"""The tests mirror the tree: `tests/infra` proves `hub/infra`, and so on."""
