"""A transport that sends nothing: a seeded simulator, or a script."""
