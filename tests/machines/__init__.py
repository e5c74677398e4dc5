"""Beyond one machine, with real processes: networks that break, and stores that fail over."""
