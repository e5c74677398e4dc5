"""`make demo`: the hub at work on this machine, between a shop, a payment provider and a mailbox.

Everything is real but the third parties: `hub dev` with its own PostgreSQL and Redis, HTTP, SMTP, signatures. What took
place is counted at the third parties, not at the hub.
"""
