"""A job the naive way; its name is the argument."""

import os
import sys

from benchmarks import naive
from benchmarks.under_test.running import main

if __name__ == "__main__":
    main(naive.run(sys.argv[1], os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INTAKE_DATABASE_URL"]))
