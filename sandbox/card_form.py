"""The processor's own page for card and bank numbers, to be shown in a frame of a gateway's page.

The number never reaches the gateway: when it is told `tokenise`, the page answers the frame's parent with a token
and with what people recognise a card by (`{token, last4, brand, height}`). Here the person also chooses what the
token does (`sandbox.tokens`).
"""

import secrets
from html import escape
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from sandbox.tokens import TOKENS

router = APIRouter(prefix="/processor", tags=["processor"])

Kind = Literal["card", "bank_account"]
Origin = Annotated[str, Query(pattern=r"^https?://[^\s/\"'<>;,]+$", max_length=200)]

_WORDS = {
    "en": {
        "card": "Card number",
        "bank_account": "Account number",
        "expiry": "Expires (MM/YY)",
        "routing": "Routing number",
        "code": "Security code",
        "does": "In this made-up world, the payment",
        "fault": "Please check the number.",
    },
    "es": {
        "card": "Número de tarjeta",
        "bank_account": "Número de cuenta",
        "expiry": "Vence (MM/AA)",
        "routing": "Número de ruta",
        "code": "Código de seguridad",
        "does": "En este mundo inventado, el pago",
        "fault": "Revise el número.",
    },
}

_PAGE = """<!doctype html>
<html lang="{language}" data-theme="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Processor</title>
<style nonce="{nonce}">
:root {{ color-scheme: light; --ink: #1c2b33; --line: #7d8d96; --bad: #a3191f; --back: #fff; }}
:root[data-theme=dark] {{ color-scheme: dark; --ink: #e3eaee; --line: #6c7f8a; --bad: #ff9d9d; --back: #18232a; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 0; padding: 1rem;
 color: var(--ink); background: var(--back); }}
form {{ display: grid; gap: .9rem; grid-template-columns: 1fr 1fr; }}
label {{ font-weight: 600; display: block; }}
.wide {{ grid-column: 1 / -1; }}
input, select {{ display: block; width: 100%; box-sizing: border-box; font: inherit; font-weight: 400;
 min-height: 46px; margin-top: .25rem; padding: 0 .75rem; border: 1px solid var(--line); border-radius: 10px;
 color: inherit; background: transparent; }}
select option {{ color: #1c2b33; background: #fff; }}
:focus-visible {{ outline: 3px solid #0b57d0; outline-offset: 1px; }}
#fault {{ color: var(--bad); font-weight: 600; margin: 0; }}
</style>
</head>
<body>
<form id="form" novalidate>
<p class="wide" id="fault" role="alert" hidden>{fault}</p>
<label class="wide">{number}
<input id="number" inputmode="numeric" autocomplete="cc-number" value="{example}"></label>
{rest}
<label class="wide">{does}<select id="token">
{tokens}
</select></label>
</form>
<script nonce="{nonce}">
const parentOrigin = {origin};
const number = document.getElementById("number");
const fault = document.getElementById("fault");
const say = (told) => parent.postMessage(
  {{ height: document.documentElement.offsetHeight, ...told }}, parentOrigin);
function tokenise() {{
  const digits = number.value.replace(/\\D/g, "");
  fault.hidden = digits.length >= {least};
  number.setAttribute("aria-invalid", String(!fault.hidden));
  if (!fault.hidden) {{ number.focus(); say({{}}); return; }}
  const brand = {{ 4: "visa", 5: "mastercard", 3: "amex", 6: "discover" }}[digits[0]] || "card";
  say({{ token: document.getElementById("token").value, last4: digits.slice(-4), brand: {brand} }});
}}
addEventListener("message", (event) => {{
  if (event.origin === parentOrigin && event.data === "tokenise") tokenise();
}});
document.getElementById("form").addEventListener("submit", (event) => {{ event.preventDefault(); tokenise(); }});
addEventListener("load", () => say({{}}));
</script>
</body>
</html>
"""


@router.get("/js")
async def show_form(
    origin: Origin,
    kind: Kind = "card",
    language: Literal["en", "es"] = "en",
    theme: Literal["light", "dark"] = "light",
) -> HTMLResponse:
    """Show the form for a card's or a bank account's number to a page of `origin`, which alone hears the token."""
    words = _WORDS[language]
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.format(
        language=language,
        theme=theme,
        nonce=nonce,
        fault=words["fault"],
        number=words[kind],
        example="4242 4242 4242 4242" if kind == "card" else "000123456789",
        rest=_rest(kind, words),
        does=words["does"],
        tokens="\n".join(_options(kind)),
        origin=f'"{origin}"',
        least=12 if kind == "card" else 4,
        brand="brand" if kind == "card" else '""',
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {origin}"
    )
    return HTMLResponse(page, headers={"content-security-policy": policy, "cache-control": "no-store"})


def _rest(kind: Kind, words: dict[str, str]) -> str:
    if kind == "bank_account":
        return f'<label class="wide">{words["routing"]}<input inputmode="numeric" value="110000000"></label>'
    return (
        f'<label>{words["expiry"]}<input inputmode="numeric" autocomplete="cc-exp" value="12/30"></label>'
        f'<label>{words["code"]}<input inputmode="numeric" autocomplete="cc-csc" value="123"></label>'
    )


def _options(kind: Kind) -> list[str]:
    of_bank = {name: token for name, token in TOKENS.items() if name.startswith("tok_bank_")}
    of_card = {name: token for name, token in TOKENS.items() if name not in of_bank}
    shown = of_card if kind == "card" else of_bank
    return [f'<option value="{escape(name)}">{escape(token.does)}</option>' for name, token in shown.items()]
