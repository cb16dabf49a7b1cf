"""A person's data taken out of everything, and the mark that keeps them out (SECURITY: S24)."""
