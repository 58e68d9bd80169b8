"""For whoever writes a gateway: a provider on a real socket, and what every gateway must do. Needs pytest."""
