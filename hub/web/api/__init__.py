"""The versioned API: thin handlers, and the table that they are routed, documented and tested by."""
