"""What tests/it/clients/ftplib.rs has Python's ftplib do: `ftplib_deeds.py HOST PORT MODE DEED [ARGUMENT...]`."""

import ftplib
import os
import sys
from ftplib import FTP


def log_in(host, port, mode, user="bob", password="secret"):
    # latin-1 stands for bytes as they are: names on disk need not be UTF-8.
    ftp = FTP(timeout=30, encoding="latin-1")
    assert ftp.connect(host, int(port)).startswith("220 "), ftp.welcome
    assert ftp.login(user, password).startswith("230"), ftp.welcome
    ftp.set_pasv(mode == "passive")
    return ftp


def sent(name):
    return os.fsencode(name).decode("latin-1")


def local(name):
    return os.fsdecode(name.encode("latin-1"))


def put_tree(ftp, here, there):
    ftp.mkd(there)
    for name in os.listdir(here):
        path, remote = os.path.join(here, name), there + "/" + sent(name)
        if os.path.isdir(path):
            put_tree(ftp, path, remote)
        else:
            with open(path, "rb") as file:
                assert ftp.storbinary("STOR " + remote, file).startswith("226")


def get_tree(ftp, there, here):
    os.mkdir(here)
    for name, facts in list(ftp.mlsd(there, ["type", "size"])):
        if facts["type"] in ("cdir", "pdir"):
            continue
        path, remote = os.path.join(here, local(name)), there + "/" + name
        if facts["type"] == "dir":
            get_tree(ftp, remote, path)
        else:
            with open(path, "wb") as file:
                assert ftp.retrbinary("RETR " + remote, file.write).startswith("226")
            assert os.path.getsize(path) == int(facts["size"]) == ftp.size(remote)


def tree(ftp, here, back):
    put_tree(ftp, here, "/up")
    get_tree(ftp, "/up", back)


def resume_down(ftp, here):
    with open(here, "ab") as file:
        ftp.retrbinary("RETR file", file.write, rest=file.tell())


def resume_up(ftp, here):
    ftp.voidcmd("TYPE I")
    at = ftp.size("file")
    with open(here, "rb") as file:
        file.seek(at)
        ftp.storbinary("STOR file", file, rest=at)


def append(ftp, here):
    ftp.voidcmd("TYPE I")
    at = ftp.size("file")
    with open(here, "rb") as file:
        file.seek(at)
        ftp.storbinary("APPE file", file)


def deeds(ftp):
    assert ftp.pwd() == "/"
    assert ftp.mkd('a "quoted" folder') == '/a "quoted" folder'
    ftp.cwd('a "quoted" folder')
    assert ftp.pwd() == '/a "quoted" folder'
    ftp.storlines("STOR old name", open(__file__, "rb"))
    ftp.rename("old name", "new name")
    assert ftp.nlst() == ["new name"], ftp.nlst()
    lines = []
    ftp.dir(lines.append)
    assert len(lines) == 1 and lines[0].startswith("-rw-r--r--") and lines[0].endswith(" new name"), lines
    text = []
    ftp.retrlines("RETR new name", text.append)
    assert text == open(__file__).read().splitlines()
    ftp.delete("new name")
    assert ftp.nlst() == []
    ftp.cwd("..")
    ftp.rmd('a "quoted" folder')
    assert list(ftp.mlsd(facts=["type"])) in ([], [(".", {"type": "cdir"})]), list(ftp.mlsd())
    assert ftp.quit().startswith("221")


def abort(ftp):
    ftp.voidcmd("TYPE I")
    connection = ftp.transfercmd("RETR file")
    assert connection.recv(1000)
    reply = ftp.abort()
    assert reply[:3] in ("225", "226", "426"), reply
    connection.close()
    # One reply for a transfer that was over already, two for one that was broken off.
    if reply.startswith("426"):
        assert ftp.getmultiline().startswith("226")
    assert ftp.pwd() == "/"


def refused(ftp):
    for deed, code in [
        (lambda: ftp.cwd("missing"), "550"),
        (lambda: ftp.delete("missing"), "550"),
        (lambda: ftp.rename("missing", "other"), "550"),
        (lambda: ftp.retrbinary("RETR missing", print), "550"),
        (lambda: list(ftp.mlsd("missing")), "550"),
        (lambda: ftp.sendcmd("NONSENSE"), "500"),
    ]:
        try:
            deed()
        except ftplib.error_perm as error:
            assert str(error).startswith(code), error
        else:
            raise AssertionError("not refused: " + code)


def wrong_password(host, port, mode):
    try:
        log_in(host, port, mode, password="wrong")
    except ftplib.error_perm as error:
        assert str(error) == "530 Authentication failed.", error
    else:
        raise AssertionError("logged in")


host, port, mode, deed, *arguments = sys.argv[1:]
if deed == "wrong_password":
    wrong_password(host, port, mode)
else:
    globals()[deed](log_in(host, port, mode), *arguments)
print("done:", deed)
