"""Providers with an HTTP API, each a transport and a feedback source of one name."""
