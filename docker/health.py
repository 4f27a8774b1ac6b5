#!/usr/bin/env python3
"""Exit 0 if a URL answers with success, else 1 and say why: a container's health check without curl.

Called as `huozi-health URL`.
"""

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4
SHOWN_BYTES = 2_000


def main(url: str) -> int:
    """Ask once."""
    # A proxy that the container runtime puts into every environment has no way to this container's own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S):
            return 0
    except urllib.error.HTTPError as error:
        # /readyz names what does not answer.
        sys.stderr.write(f"{url}: HTTP {error.code}: {error.read(SHOWN_BYTES).decode('utf-8', 'replace')}\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
