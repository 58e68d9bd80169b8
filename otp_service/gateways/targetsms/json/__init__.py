"""The JSON interface (J), Viber with SMS after it, and the gateway `targetsms-json` over it."""
