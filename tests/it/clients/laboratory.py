"""The laboratory's steps with ftplib, in one session: `laboratory.py HOST PORT MODE FOLDER`."""

import ftplib
import io
import sys
from ftplib import FTP


def refused(code, deed, *arguments):
    try:
        deed(*arguments)
    except ftplib.error_perm as error:
        assert str(error).startswith(code), error
        return str(error)
    raise AssertionError("not refused")


def fetched(ftp, name):
    chunks = []
    ftp.retrbinary("RETR " + name, chunks.append)
    return b"".join(chunks)


host, port, mode, folder = sys.argv[1:]
ftp = FTP(timeout=30)
assert ftp.connect(host, int(port)) == "220 Welcome to the laboratory"
ftp.set_pasv(mode == "passive")

assert ftp.login() == "230 Login successful."
assert ftp.nlst() == ["notice.txt"]
assert fetched(ftp, "notice.txt") == b"Open from nine to five.\n"
assert refused("550", ftp.storbinary, "STOR mine", io.BytesIO(b"text")) == "550 Not enough privileges."

assert refused("530", ftp.login, "student", "wrong") == "530 Authentication failed."
assert ftp.login("student", "pa ss#word") == "230 Login successful."

assert ftp.cwd("lectures") == '250 "/lectures" is the current directory.'
assert fetched(ftp, "one.txt") == b"The first lecture.\n"
assert ftp.cwd("../tasks") == '250 "/tasks" is the current directory.'
assert fetched(ftp, "two.bin") == bytes(range(256)) * 1000
assert refused("550", fetched, ftp, "three.bin") == "550 No such file or directory."

ftp.cwd("/")
assert ftp.mkd(folder) == "/" + folder
ftp.cwd(folder)
assert ftp.storbinary("STOR report.txt", io.BytesIO(b"My report.\n")) == "226 Transfer complete."
assert ftp.nlst() == ["report.txt"]
assert ftp.quit() == "221 See you."
print("done: laboratory")
