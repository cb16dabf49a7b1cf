"""Amazon SES: the transport `ses`."""
