"""Makes `python -m survkit.evaluate` the command of `survkit.external_validation`.

Nothing may import this module: `survkit.evaluate` is the public function that computes metrics, and
the import would put the module in its place.
"""

import sys

from survkit.external_validation.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
