"""The ways in for mail that comes back: an SMTP listener, and a mailbox that is polled."""
