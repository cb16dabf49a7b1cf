"""The stores `sqlite` and `postgresql` on SQLAlchemy Core. All of CourierX's SQL lives here."""
