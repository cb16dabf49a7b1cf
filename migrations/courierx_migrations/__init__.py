"""The schema's history, run by `Store.upgrade()` only. A version that was released never changes."""

HEAD = "0028"
"""The revision that this version of the code needs."""
