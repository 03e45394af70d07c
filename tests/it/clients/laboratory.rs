//! The laboratory work that this project grew from: an operator writes settings and users and starts the program;
//! students log in, look, download from two directories, err, upload, and leave. In passive and in active mode.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::desk::Desk;
use crate::wire::wait_until;

const LONGSHORE: &str = env!("CARGO_BIN_EXE_longshore");

const SETTINGS: &str = r#"# The laboratory's server.
ip = "127.0.0.1"
port = 0
passive_ports = "20000-29999"
home_root = "files"
enable_anonymous = true
anonymous_path = "files/anonymous"
users_file = "conf/users.conf"
welcome_msg = "Welcome to the laboratory"
quit_msg = "See you."
auth_failed_delay = "100ms"
log_format = "text"
transfer_log = "transfers.log"
"#;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Passive,
    Active,
}

impl Mode {
    /// The flags, the setting or the word that put a client into it.
    fn pick<T>(self, passive: T, active: T) -> T {
        if self == Self::Passive { passive } else { active }
    }
}

/// What a student does, with one client.
type Work = fn(&Laboratory, Mode, &str);

/// The program, started by an operator.
struct Laboratory {
    desk: Desk,
    process: Child,
    address: SocketAddr,
}

impl Laboratory {
    fn open() -> Self {
        let desk = Desk::new();
        std::fs::create_dir(desk.path("conf")).unwrap();
        std::fs::write(desk.path("conf/settings.toml"), SETTINGS).unwrap();
        let hash = desk.run_fed(LONGSHORE, ["hash-password"], "pa ss#word\n").succeeded().out;
        let users = format!("# The students.\nstudent {} elradfmwMT student\n", hash.trim_end());
        std::fs::write(desk.path("conf/users.conf"), users).unwrap();
        for (path, content) in [
            ("anonymous/notice.txt", b"Open from nine to five.\n".to_vec()),
            ("student/lectures/one.txt", b"The first lecture.\n".to_vec()),
            ("student/tasks/two.bin", (0..=255).collect::<Vec<u8>>().repeat(1000)),
        ] {
            let path = desk.path("files").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        desk.run(LONGSHORE, ["check"]).succeeded().said("student");
        let (process, address) = start(desk.command(LONGSHORE, [""; 0]));
        Self { desk, process, address }
    }

    fn home(&self) -> PathBuf {
        self.desk.path("files/student")
    }

    /// Ends it as an operator or an engine of containers does.
    fn close(mut self) {
        let id = self.process.id().to_string();
        self.desk.run("sh", ["-c", "kill -TERM \"$0\"", &id]).succeeded();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        // After `close` there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts it and reads its log up to the line that says where it listens.
fn start(mut command: Command) -> (Child, SocketAddr) {
    let mut process = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut log = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = log.find_map(|line| Some(line.split_once("listening  ")?.1.to_owned())).expect("it did not start");
    // Read on, lest the log fills the pipe.
    std::thread::spawn(move || log.for_each(drop));
    (process, address.parse().unwrap())
}

fn with_curl(laboratory: &Laboratory, mode: Mode, folder: &str) {
    let desk = Desk::new();
    let url = |user: &str, path: &str| format!("ftp://{user}{}/{path}", laboratory.address);
    let curl = |arguments: &[&str]| {
        let flags: &[&str] = mode.pick(&["-sSv", "--ftp-pasv"], &["-sSv", "--ftp-port", "-"]);
        desk.run("curl", flags.iter().chain(arguments))
    };
    let student = "student:pa%20ss%23word@";
    std::fs::write(desk.path("report.txt"), "My report.\n").unwrap();

    let listed = curl(&["--list-only", &url("", "")]).succeeded().said("220 Welcome to the laboratory");
    assert_eq!(listed.said("> USER anonymous").said(mode.pick("> EPSV", "> EPRT")).out, "notice.txt\n");
    assert_eq!(curl(&[&url("", "notice.txt")]).succeeded().out, "Open from nine to five.\n");
    curl(&["-T", "report.txt", &url("", "")]).failed(25).said("550 Not enough privileges.");

    curl(&[&url("student:wrong@", "")]).failed(67).said("530 Authentication failed.");
    curl(&[&url(student, "")]).succeeded().said("230 Login successful.");

    assert_eq!(curl(&[&url(student, "lectures/one.txt")]).succeeded().out, "The first lecture.\n");
    curl(&["-o", "two.bin", &url(student, "tasks/two.bin")])
        .succeeded()
        .said("250 \"/tasks\" is the current directory.");
    let original = std::fs::read(laboratory.home().join("tasks/two.bin")).unwrap();
    assert!(std::fs::read(desk.path("two.bin")).unwrap() == original);
    curl(&[&url(student, "tasks/three.bin")]).failed(78).said("550 No such file or directory.");

    let upload = url(student, &format!("{folder}/report.txt"));
    curl(&["--ftp-create-dirs", "-T", "report.txt", &upload]).succeeded().said("226 Transfer complete.");
}

fn with_ftplib(laboratory: &Laboratory, mode: Mode, folder: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/laboratory.py");
    let (host, port) = (laboratory.address.ip().to_string(), laboratory.address.port().to_string());
    let arguments = ["-I", "-B", script, &host, &port, mode.pick("passive", "active"), folder];
    Desk::new().run("python3", arguments).succeeded().said("done: laboratory");
}

fn with_lftp(laboratory: &Laboratory, mode: Mode, folder: &str) {
    let desk = Desk::new();
    let lftp = |commands: &str| {
        let passive = mode.pick("on", "off");
        let settings = format!("set ftp:passive-mode {passive}; set net:max-retries 1; set cmd:fail-exit on; debug 5");
        let script = format!("{settings}; open ftp://{}; {commands}", laboratory.address);
        desk.run("lftp", ["--norc", "-c", &script])
    };
    std::fs::write(desk.path("report.txt"), "My report.\n").unwrap();

    lftp("cls; get notice.txt").succeeded().said("notice.txt\n").said(mode.pick("---> PASV", "---> PORT"));
    assert_eq!(std::fs::read(desk.path("notice.txt")).unwrap(), b"Open from nine to five.\n");
    lftp("put report.txt").failed(1).said("550 Not enough privileges.");

    lftp("user student wrong; ls").failed(1).said("530 Authentication failed.");
    let login = "user student 'pa ss#word'";
    lftp(&format!("{login}; cd lectures; get one.txt; cd ../tasks; get two.bin")).succeeded();
    assert_eq!(std::fs::read(desk.path("one.txt")).unwrap(), b"The first lecture.\n");
    let original = std::fs::read(laboratory.home().join("tasks/two.bin")).unwrap();
    assert!(std::fs::read(desk.path("two.bin")).unwrap() == original);
    lftp(&format!("{login}; cd tasks; get three.bin")).failed(1).said("550 No such file or directory.");

    lftp(&format!("{login}; mkdir {folder}; cd {folder}; put report.txt; bye")).succeeded().said("221 See you.");
}

fn work_through(mode: Mode) {
    let laboratory = Laboratory::open();
    let clients: [(&str, Work); 3] = [("curl", with_curl), ("ftplib", with_ftplib), ("lftp", with_lftp)];
    for (name, work) in clients {
        work(&laboratory, mode, name);
        let report = std::fs::read(laboratory.home().join(name).join("report.txt")).unwrap();
        assert_eq!(report, b"My report.\n", "{name}");
    }
    // Nothing of what was refused is there.
    let open = laboratory.desk.path("files/anonymous");
    let names: Vec<_> = std::fs::read_dir(open).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["notice.txt"]);
    let transfers = || std::fs::read_to_string(laboratory.desk.path("transfers.log")).unwrap();
    // A transfer does not wait for its line to be written; the lines are in their order.
    wait_until("the last upload is recorded", || transfers().contains("/lftp/report.txt "));
    laboratory_log(&transfers(), &clients.map(|(name, _)| name));
    laboratory.close();
}

/// The operator's record: each client's upload, and the downloads of all.
fn laboratory_log(log: &str, clients: &[&str]) {
    for client in clients {
        let uploads = log.lines().filter(|line| line.contains(&format!("/{client}/report.txt b _ i r student ")));
        assert_eq!(uploads.count(), 1, "{client}:\n{log}");
    }
    let downloads = log.lines().filter(|line| line.contains("/tasks/two.bin b _ o r student "));
    assert_eq!(downloads.count(), clients.len(), "{log}");
}

#[test]
fn the_laboratory_in_passive_mode() {
    work_through(Mode::Passive);
}

#[test]
fn the_laboratory_in_active_mode() {
    work_through(Mode::Active);
}
