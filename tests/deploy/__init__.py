"""What is deployed beside the hub, held against the hub."""
