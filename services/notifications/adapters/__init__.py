"""Those whom notifications calls: a mail server, and a carrier of texts."""
