"""Provider APIs: each adapter knows one wire format and nothing of routing, storage or limits."""
