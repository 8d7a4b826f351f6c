"""The portal ends when it is told to, also before it has begun."""

import asyncio
import signal
import sys
from pathlib import Path


async def test_it_ends_at_once_while_it_waits_for_kafka(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    services = ("PAYMENTS", "INSURANCE", "INBOX", "NOTIFICATIONS", "PROCESSOR_JS")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "portal"),
        env={
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "PORTAL_HTTP_PORT": "0",
            "PORTAL_PUBLIC_URL": nowhere,
            "PORTAL_SECRET": "s" * 32,
            "PORTAL_OIDC_ISSUER": nowhere,
            "PORTAL_ASSETS_DIR": str(tmp_path),
            **{f"PORTAL_{name}_URL": nowhere for name in services},
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if b"not there yet" in line:
                break
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
