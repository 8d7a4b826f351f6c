"""The messaging kit: Kafka and PostgreSQL brought together so that each message has one effect, in order.

A message's way through it: `consumer` (raw batches, offsets) → `handling` (one batch, one transaction, with the
service's load, decide and save) → `outbox` (events to Kafka) and `tasks` (calls outside, timers). What a
service gives the kit is in `handlers` and `decision`; the rest need not be read to use it.
"""
