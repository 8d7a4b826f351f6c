"""What is refused is told in words, whatever the reason."""

import pytest

from portal import refusals
from portal.language import speak
from shared.events.publishing import REFUSAL_REASONS


@pytest.mark.parametrize("service", REFUSAL_REASONS)
def test_each_reason_of_a_service_has_its_words(service: str) -> None:
    assert REFUSAL_REASONS[service].keys() - refusals.WORDS[service].keys() == set()


def test_a_reason_that_nobody_has_heard_of_has_words_too() -> None:
    assert refusals.refusal("payments", "invented_yesterday").endswith("write to us.")


def test_words_are_those_of_the_language_spoken() -> None:
    speak("es")
    try:
        assert (
            refusals.refusal("payments", "account_closed") == "Esta factura está cerrada. No hay nada que pagar."
        )
        assert refusals.failure("failed", "card_declined").startswith("La tarjeta fue rechazada.")
    finally:
        speak("en")
    assert refusals.failure("failed", None).startswith("The payment did not go through. No money was taken.")


def test_of_a_payment_that_came_back_nobody_says_that_no_money_was_taken() -> None:
    assert refusals.failure("returned", "R99").startswith("The bank sent the payment back.")
