"""The addresses that messages hold: where to sign in, to unsubscribe, and to tell us what became of them."""

from dataclasses import dataclass
from urllib.parse import quote

from itsdangerous import URLSafeSerializer


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that messages hold; unsubscribing needs no login, so its link is signed."""

    public_url: str
    portal_url: str
    signer: URLSafeSerializer

    def receipts(self, reference: str) -> str:
        """Return where a carrier tells what became of a text."""
        return f"{self.public_url}/v1/sms/receipts?reference={quote(reference)}"

    def unsubscribe(self, alert_id: str) -> str:
        """Return where the reader of an alert ends it."""
        return f"{self.public_url}/v1/unsubscribe/{self.signer.dumps(alert_id)}"

    def sign_in(self, reference: str) -> str:
        """Return where to read what a message is about; the reference lets a text be found again."""
        return f"{self.portal_url}/?notice={reference}"
