"""What the inbox has done outside: files are scanned. The rules hear what was found."""

from collections.abc import Mapping
from datetime import timedelta

from services.inbox.adapters.clamd import Clamd
from services.inbox.adapters.files import Files
from services.inbox.domain.attachment import AttachmentScanned, ScanAttachment
from shared.events.envelope import Data
from shared.messaging.handlers import Performer, TaskFailedError

_UNDER_WAY_MAX = 4
"""Each holds a file in memory."""


def performers(files: Files, clamd: Clamd, timeout: timedelta) -> Mapping[type[Data], Performer]:
    """Return how each task is done; `timeout` is longer than the scanner's own."""

    async def scan(task: ScanAttachment, _: str) -> AttachmentScanned:
        try:
            content = await files.get(task.sha256)
        except FileNotFoundError as error:
            raise TaskFailedError("file_missing") from error
        verdict = await clamd.scan(content)
        return AttachmentScanned(attachment_id=task.attachment_id, sha256=task.sha256, result=verdict)

    def gave_up(task: ScanAttachment, _: str) -> AttachmentScanned:
        return AttachmentScanned(attachment_id=task.attachment_id, sha256=task.sha256, result="away")

    return {ScanAttachment: Performer(scan, gave_up, timeout, at_once_max=_UNDER_WAY_MAX)}
