"""Below the framework: connections, heads and bodies are bounded here, and every answer passes here."""
