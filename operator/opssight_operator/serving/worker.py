"""The process that computes. Its parent writes requests to its stdin and reads answers from its stdout.

A frame is two lengths (unsigned, 32 bits, network order), then a JSON head and a body of those lengths. The first
frame says that the worker is ready. It ends when its stdin does, and by SIGKILL when nobody waits any more.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import struct
import sys
import time
from typing import Any, BinaryIO

LENGTHS = struct.Struct("!II")
FAILED = "failed"
OUT_OF_MEMORY = "out-of-memory"

log = logging.getLogger("opssight_operator.serving.worker")


def packed(head: dict[str, Any], body: bytes = b"") -> bytes:
    """What stands before the body of a frame."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more requests."""
    from .answering import answer
    from .reading import Asked, Limits

    _say(answers, {"ready": True})
    while lengths := requests.read(LENGTHS.size):
        head_length, body_length = LENGTHS.unpack(lengths)
        head = json.loads(requests.read(head_length))
        body = requests.read(body_length)
        began = time.perf_counter()
        failure, status, said = "", 500, b""
        asked = Asked(body, Limits(**head["limits"]), head["now"], head["request"])
        try:
            status, said = answer(head["operation"], asked)
        except MemoryError:
            failure = OUT_OF_MEMORY
        except Exception:
            failure = FAILED
            log.exception("an operation failed", extra={"operation": head["operation"], "request": head["request"]})
        del body, asked
        _say(
            answers,
            {
                "status": status,
                "failure": failure,
                "seconds": time.perf_counter() - began,
                "resident_bytes": _resident_bytes(),
            },
            said,
        )


def _say(answers: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    answers.write(packed(head, body))
    answers.write(body)
    answers.flush()


def _resident_bytes() -> int:
    """What the process holds now."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - once an answer
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """``python -m opssight_operator.serving.worker MEMORY_BYTES LOG_FORMAT LOG_LEVEL``."""
    from ..adapters.logs import configure

    memory, style, level = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    configure(style, level)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up in an answer
    try:
        serve(sys.stdin.buffer, answers)
    except (BrokenPipeError, struct.error):  # the parent has gone
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
