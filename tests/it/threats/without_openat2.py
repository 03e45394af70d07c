"""Runs a program for which the kernel answers openat2 with an error number, as the sandbox of a container may.

Arguments: the number, the program, and its arguments. The system call has the same number on all machines.
"""

import ctypes
import os
import struct
import sys

OPENAT2 = 437
PR_SET_SECCOMP, FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ERRNO, ALLOW = 0x00050000, 0x7FFF0000

number = int(sys.argv[1])
steps = [
    (LOAD_WORD, 0, 0, 0),
    (JUMP_IF_EQUAL, 0, 1, OPENAT2),
    (RETURN, 0, 0, ERRNO | number),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))

libc = ctypes.CDLL(None, use_errno=True)
none = ctypes.c_ulong(0)
assert libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none) == 0
assert libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(FILTER), program, none, none) == 0
assert libc.syscall(OPENAT2, -100, b".", None, 0) == -1 and ctypes.get_errno() == number
os.execv(sys.argv[2], sys.argv[2:])
