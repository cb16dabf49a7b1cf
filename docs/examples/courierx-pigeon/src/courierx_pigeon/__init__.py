"""Pigeon Post for CourierX."""
