"""A made-up insurance card, drawn; nobody is called so, and nobody has these numbers."""

import io

from PIL import Image, ImageDraw, ImageFont

CARD = {
    "payer_id": "SANDBOX02",
    "payer_name": "Harbor Mutual",
    "plan_name": "Silver HMO 40",
    "member_id": "HMK7743019",
    "group_number": "G-0451-7",
    "first_name": "MARIA",
    "last_name": "SOLIZ",
    "rx_bin": "610014",
    "rx_pcn": "HMCOMM",
    "rx_group": "RX4417",
    "phone": "1-800-555-0142",
}
PRINTED = (
    (40, 32, 44, "Harbor Mutual"),
    (40, 150, 22, "Subscriber Name"),
    (40, 178, 32, "MARIA O SOLIZ"),
    (40, 250, 22, "Member ID"),
    (40, 278, 32, "HMK7743019"),
    (40, 350, 22, "Group No."),
    (40, 378, 32, "G-0451-7"),
    (560, 150, 22, "Plan"),
    (560, 178, 32, "Silver HMO 40"),
    (560, 260, 28, "RxBIN: 610014"),
    (560, 305, 28, "RxPCN: HMCOMM"),
    (560, 350, 28, "RxGRP: RX4417"),
    (560, 400, 24, "Effective 01/01/2026"),
    (40, 480, 26, "PCP $25   Specialist $50   ER $250"),
    (40, 560, 26, "Customer Service: 1-800-555-0142"),
)


def card() -> Image.Image:
    """Draw the card."""
    drawn = Image.new("RGB", (1000, 630), "#fdfdf7")
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, 0, 1000, 110), fill="#1c4f7c")
    for x, y, size, text in PRINTED:
        pen.text((x, y), text, "white" if y < 110 else "black", font=ImageFont.load_default(size))
    return drawn


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    """Return a picture as the bytes of a file."""
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()
