"""When things run, in which order and with which parts. No business rule lives here."""
