#!/usr/bin/env python3
"""Runs a program under a container's seccomp profile: confined.py PROFILE PROGRAM [ARGUMENT]...

Understands what tuning/seccomp.json uses of the format: a default action, and names to allow.
"""
import json
import os
import sys

import seccomp

profile = json.load(open(sys.argv[1], encoding="utf-8"))
assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
rules = seccomp.SyscallFilter(seccomp.ERRNO(profile["defaultErrnoRet"]))
for group in profile["syscalls"]:
    assert group["action"] == "SCMP_ACT_ALLOW"
    for name in group["names"]:
        # A call that this processor or this library does not know needs no leave.
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (OverflowError, RuntimeError, OSError) as error:
            print(f"confined.py: {name}: {error}", file=sys.stderr)
rules.load()
os.execvp(sys.argv[2], sys.argv[2:])
