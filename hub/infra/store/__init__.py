"""PostgreSQL, a file for each family of statements. Nothing here decides; it reads and writes."""
