"""RQ: notifications over Redis to workers on any number of machines."""
