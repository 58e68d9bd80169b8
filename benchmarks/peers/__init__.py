"""Other self-hosted servers of one-time codes, measured beside the service in the same minutes."""
