"""How much a tenant may send in an hour, a day and a month."""
