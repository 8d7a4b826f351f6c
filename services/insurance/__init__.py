"""Insurance: what patients are insured by, and whether the payer says so.

It owns coverages with their versions, requested changes, verifications and history. It hears the registration
host (patients, coverages on file), the scheduling host (appointments), gateways (who logs out; what patients add,
change and remove) and staff. It asks payers through a clearinghouse (X12 270/271) when the session ends in which a
coverage was added or changed, monthly, once it begins or has ended, and before appointments. It says what became
of every command, what payers answered, and when a person has to look. Pictures of cards are read for people to
confirm, and forgotten.
"""
