"""The inbox's own handlers."""

from benchmarks.under_test.running import main, on_the_kit
from services.inbox.handlers import INBOX

if __name__ == "__main__":
    main(on_the_kit(INBOX))
