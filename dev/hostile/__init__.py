"""What a hostile tenant's Secrets hold, and servers that answer as no Astra Control would; not for tests alone."""
