"""The password interface (P): the provider makes the code. The gateway `targetsms-password`."""
