"""The hub's rules: pure, standard library only. Time and randomness are arguments, never fetched here."""
