"""Payments: what guarantors owe, and how they pay it.

It owns guarantor accounts with their visit accounts, the ledger of what was charged, adjusted, paid and given
back, the payments, payment plans, saved methods, refunds and statements, and the work that these leave to the
billing pool. It hears the billing host (accounts, charges, adjustments, statements), the gateways and staff
(commands), notifications (who gets statements without paper), and the processor's webhooks and settlements; it
has the processor charge cards and bank accounts and give money back, and asks it until it knows what became of
each. It says what became of every command, payment, instalment and refund, what an account owes whenever that
changes, which statements can be read, and what needs a person.
"""
