"""The HTTP GET interface (G) and the gateway `targetsms-get` over it."""
