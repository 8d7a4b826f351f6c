"""The outside world to run against: one process that stands in for what the services call and hear.

It has a card and bank processor, a clearinghouse that payers answer through, a mail server and an SMS carrier with
the boxes that they fill, a virus scanner, an identity provider, a clock that can be moved forward, and the hosts
of a made-up hospital, which publish to Kafka. Each is a module with a router, reached over real protocols only;
what must stay true over a restart is kept in `SANDBOX_DIR`. `GET /` lists what it can do.
"""
