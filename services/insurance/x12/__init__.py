"""X12 270 and 271 (005010X279A1): the question to a payer as text, and what its answer means. Pure."""
