"""What a distribution says it mended without a newer release: CVE numbers in the changelog of a package."""

import re
import zlib


def parse_changelog(compressed: bytes) -> tuple[str, ...]:
    """CVE numbers that a changelog names. Errors: zlib.error."""
    text = zlib.decompressobj(wbits=31).decompress(compressed, 16 << 20)
    return tuple(sorted({number.decode() for number in re.findall(rb"CVE-\d{4}-\d{4,7}", text)}))
