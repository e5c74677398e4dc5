"""The sources, each judged by the library that its provider publishes."""
