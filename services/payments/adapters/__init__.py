"""The outside world of payments: one module for each neighbour, and nobody else knows its wording."""
