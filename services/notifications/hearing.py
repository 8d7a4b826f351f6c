"""What is heard from providers, whichever way it comes: what became of a message, and what somebody texted."""

from dataclasses import dataclass

from services.notifications import reads
from services.notifications.domain.address import AddressError, normalise
from services.notifications.domain.internal import HearCodeReceipt, HearReceipt, HearText, ReceiptStatus
from services.notifications.domain.rules import Rules
from services.notifications.domain.texting import word
from shared.database import Pool
from shared.messaging.handlers import Ask


@dataclass(frozen=True, slots=True)
class Hearing:
    """Asks the rules about what was heard."""

    pool: Pool
    ask: Ask
    rules: Rules

    async def receipt(self, reference: str, status: ReceiptStatus) -> bool:
        """Hear what became of the alert or the code with a reference; tell whether there is one."""
        if (alert := await reads.alert_of(self.pool, reference)) is not None:
            account_number, person_id, _ = alert
            heard = HearReceipt(alert_id=reference, account_number=account_number, status=status)
            await self.ask(heard, person_id, "service:provider")
            return True
        if (code := await reads.code_of(self.pool, reference)) is not None:
            person_id, contact_id = code
            about = HearCodeReceipt(person_id=person_id, contact_id=contact_id, code_id=reference, status=status)
            await self.ask(about, person_id, "service:provider")
            return True
        return False

    async def carrier_receipt(self, provider_id: str, status: ReceiptStatus) -> bool:
        """Hear what became of the text that the carrier calls so; tell whether it is one of ours."""
        reference = await reads.reference_of(self.pool, provider_id)
        if reference is None:
            return False
        await self.receipt(reference, status)
        return True

    async def text(self, sender: str, text: str) -> None:
        """Hear what somebody texted: STOP, START and HELP in their variants; all else is nothing to us."""
        meant = word(text)
        try:
            number = normalise("text", sender)
        except AddressError:
            meant = None
        if meant is not None:
            destination_id = self.rules.destination("text", number)
            heard = HearText(destination_id=destination_id, word=meant)
            await self.ask(heard, f"destination:{destination_id}", "service:carrier")
