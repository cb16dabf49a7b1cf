"""Redis: the way to a server, and the limiter `redis` that all processes share."""
