"""The HTTP API: a controller per resource, thin over the core's use cases."""
