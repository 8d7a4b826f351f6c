"""Insurance as it is, with a clearinghouse that the benchmark offers."""

import os
from dataclasses import replace
from typing import Final

from cryptography.fernet import Fernet

from benchmarks.under_test.running import main, on_the_kit
from services.insurance.adapters.clearinghouse import Clearinghouse
from services.insurance.handlers import INSURANCE
from services.insurance.sealing import Seal
from services.insurance.tasks import performers
from services.insurance.x12.inquiry import Provider
from shared.clock import Clock

_PAYER_TIMEOUT_S: Final = 300.0
_PAYER_CALLS_PER_S: Final = 10_000.0
"""How long a payer may take, and what it allows, is its own to say: here as long, and as much, as comes."""


async def _insurance() -> None:
    clearinghouse = Clearinghouse(os.environ["CLEARINGHOUSE_URL"], _PAYER_TIMEOUT_S, _PAYER_CALLS_PER_S)
    provider = Provider("BENCHMARK HOSPITAL", "1234567893", "PORTAL", "CLEARINGHOUSE")
    seal = Seal(Fernet.generate_key().decode())
    performing = performers(clearinghouse, provider, seal, Clock().now, _PAYER_TIMEOUT_S)
    try:
        await on_the_kit(replace(INSURANCE, performers=performing))
    finally:
        await clearinghouse.close()


if __name__ == "__main__":
    main(_insurance())
