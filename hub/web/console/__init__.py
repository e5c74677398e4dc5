"""The operators' console: pages rendered on the server, over the services that the API uses."""
