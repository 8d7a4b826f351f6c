"""The messaging kit: Kafka and PostgreSQL brought together so that each message has one effect, in order.

A message's way through it: `consumer` (raw batches, offsets) → `handling` (one batch, one transaction, with the
service's load, decide and save) → `outbox` (events to Kafka) and `tasks` (calls outside, timers). What a
service gives the kit is in `handlers` and `decision`; the rest need not be read to use it.

`handlers` is what a service declares, and `decision` what its rules return; `handling` does a batch with all
its I/O, and `deciding` is the part of that without any.
"""
