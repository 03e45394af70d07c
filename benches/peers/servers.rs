//! How each server is started: with one user, `bench`, the same files, no limit of sessions, and its log off or as it is.

use std::fs::{File, Permissions, create_dir_all, read_dir, remove_dir_all, set_permissions, write};
use std::io::{Read, copy, repeat, sink};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, chown};

use crate::client::Outcome;
use crate::load::Scenario;
use crate::process::Running;

pub(crate) const LONGSHORE: &str = "longshore";

/// Names in a directory that is listed.
pub(crate) const MANY: usize = 100_000;
/// Bytes of the files that are there.
pub(crate) const BIG: usize = 1 << 30;
pub(crate) const MID: usize = 8 << 20;
pub(crate) const SMALL: usize = 10 << 10;

/// One of those that are compared.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// Its program, in its package below `--peers` (Debian packages unpacked side by side) or where that installs it.
    programs: &'static [&'static str],
    /// Whether it can be told to put a new file in the place of an old one when it is whole.
    swaps: bool,
    command: fn(&Path, &Ground, &Scenario, u16) -> Outcome<Command>,
}

pub(crate) const PEERS: [Server; 6] = [
    Server { name: LONGSHORE, programs: &[env!("CARGO_BIN_EXE_longshore")], swaps: true, command: longshore },
    Server { name: "vsftpd", programs: &["vsftpd/usr/sbin/vsftpd", "/usr/sbin/vsftpd"], swaps: false, command: vsftpd },
    Server {
        name: "proftpd",
        programs: &["proftpd-core/usr/sbin/proftpd", "/usr/sbin/proftpd"],
        swaps: true,
        command: proftpd,
    },
    Server {
        name: "pureftpd",
        programs: &["pure-ftpd/usr/sbin/pure-ftpd", "/usr/sbin/pure-ftpd"],
        swaps: true,
        command: pureftpd,
    },
    Server {
        name: "pyftpdlib",
        programs: &["/opt/py/bin/python", "/usr/bin/python3"],
        swaps: false,
        command: pyftpdlib,
    },
    Server { name: "unftp", programs: &["rust/bin/unftp", "/usr/local/bin/unftp"], swaps: false, command: unftp },
];

/// The files that all servers serve, and a folder for what they are told.
pub(crate) struct Ground {
    pub(crate) home: PathBuf,
    user: User,
    peers: PathBuf,
    folder: tempfile::TempDir,
}

impl Ground {
    /// The files are in the home of the user of this machine who is called `bench`, for some servers know no others, and
    /// stay there.
    pub(crate) fn new(peers: PathBuf) -> Outcome<Self> {
        let user = User::from_name("bench")?
            .ok_or("there is no user bench, whose password is bench: see the first page of this bench")?;
        let home = user.dir.clone();
        create_dir_all(&home)?;
        chown(&home, Some(user.uid), Some(user.gid))?;
        for (name, bytes) in [("big", BIG), ("mid", MID), ("small", SMALL)] {
            let path = home.join(name);
            if path.metadata().map(|file| file.len()).ok() != Some(bytes as u64) {
                copy(&mut repeat(0x5a).take(bytes as u64), &mut File::create(&path)?)?;
            }
            // Whoever comes first finds it in memory as well.
            copy(&mut File::open(&path)?, &mut sink())?;
        }
        fill(&home.join("many"), MANY)?;
        let folder = tempfile::tempdir()?;
        set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let ground = Self { home, user, peers, folder };
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        for (name, text) in [("both.pem", format!("{cert}{key}")), ("cert.pem", cert), ("key.pem", key)] {
            set_permissions(ground.file(name, &text)?, Permissions::from_mode(0o600))?;
        }
        Ok(ground)
    }

    /// An empty folder for uploads: what one server stored, the next may not be able to replace.
    fn clear_uploads(&self) -> Outcome<()> {
        let folder = self.home.join("up");
        if folder.exists() {
            remove_dir_all(&folder)?;
        }
        create_dir_all(&folder)?;
        Ok(chown(&folder, Some(self.user.uid), Some(self.user.gid))?)
    }

    /// A file that a server is told of.
    fn file(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.path().join(name);
        write(&path, text)?;
        Ok(path)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// So many files without content.
pub(crate) fn fill(folder: &Path, count: usize) -> Outcome<()> {
    create_dir_all(folder)?;
    if read_dir(folder)?.count() != count {
        for number in 0..count {
            File::create(folder.join(format!("file-{number:07}.dat")))?;
        }
    }
    read_dir(folder)?.try_for_each(|entry| entry?.metadata().map(drop))?;
    Ok(())
}

impl Server {
    /// Starts it for this scenario; nothing if it is not installed, or cannot do that.
    pub(crate) fn start(&self, ground: &Ground, scenario: &Scenario) -> Outcome<Option<Running>> {
        let found = self.programs.iter().map(|program| ground.peers.join(program)).find(|program| program.exists());
        let Some(program) = found.filter(|_| self.swaps || !scenario.all_swap) else { return Ok(None) };
        ground.clear_uploads()?;
        let port = free_port()?;
        let mut command = (self.command)(&program, ground, scenario, port)?;
        command.current_dir(ground.folder.path());
        Running::start(&mut command, port).map(Some)
    }
}

/// None of those that passive transfers get, 10000 to 19999, which are below all that the kernel chooses from, by
/// `net.ipv4.ip_local_port_range`: no client's own port is in their way.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn longshore(program: &Path, ground: &Ground, scenario: &Scenario, port: u16) -> Outcome<Command> {
    let users = ground.file("users.conf", &format!("bench bench elradfmwMT {}\n", ground.home.display()))?;
    set_permissions(&users, Permissions::from_mode(0o600))?;
    let mut command = Command::new(program);
    command
        .env("FTP_IP", "127.0.0.1")
        .env("FTP_PORT", port.to_string())
        .env("FTP_USERS_FILE", users)
        .env("FTP_PASSIVE_PORTS", "10000-19999")
        .env("FTP_MAX_CONS", "0")
        .env("FTP_MAX_PER_IP", "0")
        .env("FTP_UPLOAD_MODE", scenario.upload_mode)
        .env("FTP_MAX_DOWNLOAD", scenario.max_download);
    if scenario.tls {
        command.env("FTP_TLS", "allowed");
        command.env("FTP_TLS_CERT", ground.path("cert.pem")).env("FTP_TLS_KEY", ground.path("key.pem"));
    }
    Ok(command)
}

fn vsftpd(program: &Path, ground: &Ground, _: &Scenario, port: u16) -> Outcome<Command> {
    create_dir_all("/var/run/vsftpd/empty")?;
    if !Path::new("/etc/pam.d/vsftpd").exists() {
        // As its package has it, without the list of those who may not.
        write("/etc/pam.d/vsftpd", "auth required pam_unix.so\naccount required pam_unix.so\n")?;
    }
    let settings = [
        format!("listen=YES\nlisten_port={port}\nbackground=NO\nlocal_enable=YES\nanonymous_enable=NO"),
        "write_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\nxferlog_enable=NO".to_owned(),
        "pasv_min_port=10000\npasv_max_port=19999\nmax_clients=0\nmax_per_ip=0\nuse_sendfile=YES".to_owned(),
        "ssl_enable=YES\nforce_local_logins_ssl=NO\nforce_local_data_ssl=NO\nrequire_ssl_reuse=NO".to_owned(),
        format!("rsa_cert_file={}\nrsa_private_key_file={}", ground.path("cert.pem"), ground.path("key.pem")),
        "ssl_ciphers=HIGH\nseccomp_sandbox=NO\npam_service_name=vsftpd\nsecure_chroot_dir=/var/run/vsftpd/empty\n"
            .to_owned(),
    ];
    let file = ground.file("vsftpd.conf", &settings.join("\n"))?;
    set_permissions(&file, Permissions::from_mode(0o600))?;
    let mut command = Command::new(program);
    command.arg(file);
    Ok(command)
}

fn proftpd(program: &Path, ground: &Ground, scenario: &Scenario, port: u16) -> Outcome<Command> {
    let settings = [
        format!("ServerType standalone\nPort {port}\nUser bench\nGroup bench\nUseIPv6 off\nDefaultRoot ~"),
        "AuthPAM off\nAuthOrder mod_auth_unix.c\nRequireValidShell off\nAllowOverwrite on".to_owned(),
        "PassivePorts 10000 19999\nMaxInstances none\nDelayTable none\nUseSendfile on\nUseReverseDNS off".to_owned(),
        "WtmpLog off\nTransferLog none\nSystemLog none".to_owned(),
        format!("PidFile {}\nScoreboardFile {}", ground.path("proftpd.pid"), ground.path("proftpd.scoreboard")),
        format!("HiddenStores {}", if scenario.all_swap { "on" } else { "off" }),
        "<IfModule mod_delay.c>\nDelayEngine off\n</IfModule>\n".to_owned(),
    ];
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(ground.file("proftpd.conf", &settings.join("\n"))?);
    Ok(command)
}

fn pureftpd(program: &Path, ground: &Ground, scenario: &Scenario, port: u16) -> Outcome<Command> {
    let mut command = Command::new(program);
    command
        .args(["-S", &format!("127.0.0.1,{port}"), "-l", "unix", "-c", "5000", "-C", "5000", "-H", "-A", "-4", "-E"])
        .args(["-p", "10000:19999", "-u", "100", "-Y", "1", "-2", &ground.path("both.pem")])
        .args(["-g", &ground.path("pureftpd.pid")]);
    if scenario.all_swap {
        command.arg("--notruncate");
    }
    Ok(command)
}

fn pyftpdlib(program: &Path, ground: &Ground, _: &Scenario, port: u16) -> Outcome<Command> {
    let has_it = Command::new(program).args(["-c", "import pyftpdlib, OpenSSL"]).output()?.status.success();
    let script = format!(
        "import logging\n\
         from pyftpdlib.authorizers import DummyAuthorizer\n\
         from pyftpdlib.handlers import TLS_FTPHandler as Handler\n\
         from pyftpdlib.servers import FTPServer\n\
         logging.basicConfig(level=logging.ERROR)\n\
         authorizer = DummyAuthorizer()\n\
         authorizer.add_user('bench', 'bench', {home:?}, perm='elradfmwMT')\n\
         Handler.authorizer, Handler.passive_ports = authorizer, range(10000, 20000)\n\
         Handler.certfile, Handler.keyfile = {cert:?}, {key:?}\n\
         server = FTPServer(('127.0.0.1', {port}), Handler)\n\
         server.max_cons = 100000\n\
         server.serve_forever()\n",
        home = ground.home.display().to_string(),
        cert = ground.path("cert.pem"),
        key = ground.path("key.pem"),
    );
    if !has_it {
        return Err("pyftpdlib, or pyOpenSSL, is not in the Python at hand: --servers leaves it out".into());
    }
    let mut command = Command::new(program);
    command.arg(ground.file("server.py", &script)?);
    Ok(command)
}

fn unftp(program: &Path, ground: &Ground, _: &Scenario, port: u16) -> Outcome<Command> {
    let users = ground.file("users.json", r#"[{"username":"bench","password":"bench"}]"#)?;
    let http = free_port()?;
    let mut command = Command::new(program);
    command
        .arg("--root-dir")
        .arg(&ground.home)
        .args(["--bind-address", &format!("127.0.0.1:{port}"), "--passive-ports", "10000-19999"])
        .args(["--auth-type", "json", "--auth-json-path"])
        .arg(users)
        .args(["--ftps-certs-file", &ground.path("cert.pem"), "--ftps-key-file", &ground.path("key.pem")])
        .args(["--bind-address-http", &format!("127.0.0.1:{http}")]);
    Ok(command)
}
