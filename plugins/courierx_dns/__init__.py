"""The resolver `dns`: looks up what a sender domain publishes."""
