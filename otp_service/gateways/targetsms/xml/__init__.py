"""The XML interface (X): what the service sends and asks by, and the gateway `targetsms-xml` over it."""
