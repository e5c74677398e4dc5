"""The operators' console: pages made on the server, which work without a script and are livelier with one."""
