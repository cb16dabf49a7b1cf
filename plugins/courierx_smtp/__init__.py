"""The SMTP transport: kept, pipelined connections to a relay (RFC 5321, 2920)."""
