"""The console in a real browser: what is seen, done and complained about there."""
