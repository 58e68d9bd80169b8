"""Hooks: other systems hand over codes that they made, each in its own words. Start with `routes`, then `kind`."""
