"""What a stranger without a key can do to the service from outside, all of it at once."""
