"""What mail links to: pages and redirects that need no key, only their token."""
