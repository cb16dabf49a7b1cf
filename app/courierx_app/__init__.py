"""CourierX's application: settings, the composition root, the HTTP API, the command line, the supervisor."""
