"""HTTP to the outside: one transport for all, a guard for addresses that others wrote down, receivers of webhooks."""
