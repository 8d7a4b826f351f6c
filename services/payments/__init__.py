"""Payments: what guarantors owe, and how they pay it.

It owns guarantor accounts with their visit accounts, the ledger of what was charged, adjusted and paid, the
payments and statements. It hears the billing host (accounts, charges, adjustments, statements) and the gateways
(commands to pay); it has the processor charge cards and bank accounts, and asks it until it knows what became of
each charge. It says what became of every command and payment, what an account owes whenever that changes, and
which statements can be read.
"""
