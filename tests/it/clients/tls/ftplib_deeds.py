"""What tests/it/clients/tls/ftplib.rs has ftplib do: `ftplib_deeds.py PORT AUTHORITY VERSION MODE DEED`."""

import io
import ssl
import sys
from ftplib import FTP, FTP_TLS, error_perm

HOST, CONTENT = "127.0.0.1", bytes(range(256)) * 400


class Resuming(FTP_TLS):
    """Data connections resume the session of the control connection, as `tls_session_reuse = require` wants it."""

    resumed = []

    def ntransfercmd(self, cmd, rest=None):
        connection, size = FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            connection = self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session)
            self.resumed.append(connection.session_reused)
        return connection, size


def log_in(kind=FTP_TLS, protect=True):
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    ftp = kind(context=context, timeout=30)
    ftp.connect(HOST, port)
    ftp.login("bob", "secret")
    assert ftp.sock.version() == version.replace("_", "."), ftp.sock.version()
    if protect:
        assert ftp.prot_p() == "200 Data connections are encrypted."
    ftp.set_pasv(mode == "passive")
    return ftp


def put_and_get(ftp):
    assert ftp.storbinary("STOR file", io.BytesIO(CONTENT)).startswith("226")
    got = io.BytesIO()
    assert ftp.retrbinary("RETR file", got.write).startswith("226")
    assert got.getvalue() == CONTENT


def there_and_back():
    ftp = log_in()
    for _ in range(3):
        put_and_get(ftp)
    assert ftp.nlst() == ["file"], ftp.nlst()
    assert [name for name, facts in ftp.mlsd() if facts["type"] == "file"] == ["file"]
    assert ftp.quit().startswith("221")


def resume_many():
    ftp = log_in(Resuming)
    for _ in range(100):
        put_and_get(ftp)
    assert len(ftp.resumed) == 200 and all(ftp.resumed), ftp.resumed
    assert ftp.quit().startswith("221")


def resume_in_vain():
    ftp = log_in(Resuming)
    put_and_get(ftp)
    assert len(ftp.resumed) == 2 and not any(ftp.resumed), ftp.resumed


def fails(deed, words):
    try:
        deed()
    except error_perm as error:
        assert str(error).startswith(words), error
    else:
        raise AssertionError("not refused: " + words)


def refused_without_reuse():
    ftp = log_in()
    words = "522 The data connection must resume the TLS session of the control connection."
    fails(lambda: ftp.nlst(), words)
    fails(lambda: ftp.storbinary("STOR new", io.BytesIO(b"")), words)
    assert ftp.pwd() == "/"


def other_authority():
    try:
        log_in()
    except ssl.SSLCertVerificationError as error:
        assert "unable to get local issuer certificate" in str(error), error
    else:
        raise AssertionError("logged in")


def in_clear():
    ftp = FTP(timeout=30)
    ftp.connect(HOST, port)
    fails(lambda: ftp.login("bob", "secret"), "530 Use AUTH TLS first: no name and no password is taken in clear.")
    ftp = log_in(protect=False)
    fails(lambda: ftp.nlst(), "521 Use PROT P first: no data is sent in clear.")
    fails(ftp.prot_c, "5")


port, authority, version, mode, deed = sys.argv[1:]
port = int(port)
globals()[deed]()
print("done:", deed)
