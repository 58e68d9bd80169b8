"""Every public field, of HTTP and of webhooks. Types of the domain never leave by themselves."""
