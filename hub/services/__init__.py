"""Use-cases, one verb family a file, over the stores."""
