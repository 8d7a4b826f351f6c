"""What all services share: the contract, the messaging kit, and small modules named for what they are."""
