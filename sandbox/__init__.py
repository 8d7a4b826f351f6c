"""The outside world to run against: one process that stands in for what the services call and hear.

It has a card and bank processor, an identity provider, a clock that can be moved forward, and a billing host
that publishes a made-up hospital to Kafka. Each is a router, reached over real protocols only; what must stay
true over a restart (charges, keys, webhooks to send, the clock, the signing key) is kept in `SANDBOX_DIR`.
`GET /` lists what it can do.
"""
