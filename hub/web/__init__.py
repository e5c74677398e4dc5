"""The aiohttp application: takes requests apart, asks the services, and puts answers together."""
