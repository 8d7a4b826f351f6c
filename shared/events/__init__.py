"""The contract in code: the envelope, a module of messages for each owner, and the topics they travel on."""
