"""Looking after the rows: what must hold between them, and what is kept no longer."""
