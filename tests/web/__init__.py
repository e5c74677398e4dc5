"""The web front end, asked over real sockets."""
