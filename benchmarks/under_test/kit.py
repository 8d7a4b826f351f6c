"""Payment intake on the kit."""

from benchmarks.intake import HANDLERS
from benchmarks.under_test.running import main, on_the_kit

if __name__ == "__main__":
    main(on_the_kit(HANDLERS))
