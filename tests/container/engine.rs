//! The Docker engine by its command line: an image of this repository, and containers that go when a test does.

use std::hash::BuildHasher;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::wire::{Client, PATIENCE};

/// The engine starts things slowly on a busy machine; whoever waits longer than this waits for ever.
const ENGINE_PATIENCE: Duration = Duration::from_secs(60);

/// The user of most tests, all of whose letters are there.
pub(crate) const ALICE: &str = "FTP_USER=alice";
/// The password that the client of the tests gives.
pub(crate) const SECRET: &str = "FTP_PASS=secret";

/// Runs a docker command; its standard output without the last line end.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    success(Command::new("docker").args(arguments))
}

/// The standard output of a command that succeeds.
#[track_caller]
pub(crate) fn success(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = both(&output);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Standard output and standard error.
pub(crate) fn both(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// A name that nobody else uses.
pub(crate) fn random_name() -> String {
    format!("longshore-test-{:016x}", random())
}

pub(crate) fn random() -> u64 {
    std::hash::RandomState::new().hash_one(0_u8)
}

/// The repository as a clean clone has it: what is or would be committed, with nothing that is ignored.
pub(crate) fn clean_clone() -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clone = tempfile::tempdir().unwrap();
    let mut list = Command::new("git");
    list.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    for file in success(&mut list).lines().filter(|file| root.join(file).is_file()) {
        let to = clone.path().join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root.join(file), to).unwrap();
    }
    // The engine mounts this for a process that is somebody else.
    success(
        Command::new("chmod")
            .args(["a+rX", ".", "conf", "conf/settings.toml", "conf/users.conf"])
            .current_dir(clone.path()),
    );
    clone
}

/// The image, built from the Dockerfile: by tests/run before, which takes it away after all tests; else by the first
/// test that asks for it, and taken away when the process of the tests is gone.
pub(crate) fn image() -> &'static str {
    static IMAGE: OnceLock<(String, Option<ChildStdin>)> = OnceLock::new();
    let (name, _) = IMAGE.get_or_init(|| {
        #[allow(clippy::disallowed_methods, reason = "a test's own, which the server does not read")]
        let given = std::env::var("LONGSHORE_TEST_IMAGE").ok();
        given.map_or_else(build, |name| (name, None))
    });
    name
}

fn build() -> (String, Option<ChildStdin>) {
    let info = Command::new("docker").arg("info").output();
    let is_there = info.as_ref().is_ok_and(|output| output.status.success());
    assert!(is_there, "these tests need a Docker engine, and none answers: {info:?}; tests/run --without-docker");
    let name = random_name();
    let stage = format!("{name}-build");
    // Whatever becomes of this process, the pipe is closed at its end, and a key that interrupts it does not reach here.
    #[allow(clippy::zombie_processes, reason = "it outlives us on purpose")]
    let mut remover = Command::new("sh")
        .args(["-c", "read -r _; docker rmi \"$0\" \"$1\" > /dev/null 2>&1", &name, &stage])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let clone = clean_clone();
    let folder = clone.path().to_str().unwrap();
    // By name, so that the layers of the first stage can be taken away too.
    let base = success(&mut Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/base-image")));
    let base = format!("BUILD_IMAGE={}", base.trim());
    docker(&["build", "--quiet", "--build-arg", &base, "--target", "build", "--tag", &stage, folder]);
    docker(&["build", "--quiet", "--build-arg", &base, "--tag", &name, folder]);
    (name, remover.stdin.take())
}

/// What the engine knows of something, by a template of Go's.
#[track_caller]
pub(crate) fn inspect(name: &str, template: &str) -> String {
    docker(&["inspect", "--format", template, name])
}

/// The same as JSON.
#[track_caller]
pub(crate) fn inspect_json(name: &str, path: &str) -> serde_json::Value {
    serde_json::from_str(&inspect(name, &format!("{{{{json {path}}}}}"))).unwrap()
}

/// A container of the image. Dropping it removes it with its anonymous volumes.
pub(crate) struct Container {
    pub(crate) name: String,
    log: Log,
    _removal: Removal,
}

impl Container {
    /// Starts one with these options of `docker run`, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut container = Self::launch(options);
        container.log.wait_for("listening  ");
        container
    }

    /// The same without waiting for anything.
    #[track_caller]
    pub(crate) fn launch(options: &[&str]) -> Self {
        let name = random_name();
        // Before there is anything: it is made also where it cannot be started.
        let removal = Removal(name.clone());
        docker(&[&["run", "--detach", "--name", &name], options, &[image()]].concat());
        let log = Log::follow(&name);
        Self { name, log, _removal: removal }
    }

    /// Its control port at its own address.
    pub(crate) fn control(&self) -> SocketAddr {
        let address = inspect(&self.name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
        SocketAddr::new(address.parse().unwrap_or_else(|why| panic!("{address}: {why}")), 2121)
    }

    /// Its process as this machine knows it.
    pub(crate) fn pid(&self) -> u32 {
        inspect(&self.name, "{{.State.Pid}}").parse().unwrap()
    }

    /// The next line of its log that has this in it.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        self.log.wait_for(part)
    }

    /// All it has said up to now.
    pub(crate) fn said(&self) -> String {
        both(&Command::new("docker").args(["logs", &self.name]).output().unwrap())
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) fn wait(&self) -> i32 {
        docker(&["wait", &self.name]).parse().unwrap()
    }

    /// A line of `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// alice, logged in.
    #[track_caller]
    pub(crate) fn alice(&self) -> Client {
        Client::login(self.control(), "alice")
    }

    /// Runs this in the network of the container, where its own address is the source.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        // A thread has a network of its own as soon as it enters one, and takes it with it.
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("only root may enter");
                work()
            });
            thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why))
        })
    }
}

/// Removes a container when it goes, if there is one.
struct Removal(String);

impl Drop for Removal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = Command::new("docker").args(["logs", &self.0]).output();
            println!("{}: {}", self.0, said.map_or_else(|why| why.to_string(), |said| both(&said)));
        }
        // It may never have come about.
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// The log of a container, line by line as it comes.
struct Log {
    follower: Child,
    seen: Vec<String>,
    more: Receiver<String>,
}

impl Log {
    fn follow(name: &str) -> Self {
        let mut follower = Command::new("docker")
            .args(["logs", "--follow", name])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, more) = channel();
        forward(follower.stdout.take().unwrap(), tell.clone());
        forward(follower.stderr.take().unwrap(), tell);
        Self { follower, seen: Vec::new(), more }
    }

    #[track_caller]
    fn wait_for(&mut self, part: &str) -> String {
        loop {
            match self.more.recv_timeout(ENGINE_PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("never: {part}; so far: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended before: {part}; it said: {:#?}", self.seen),
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = self.follower.kill();
        let _ = self.follower.wait();
    }
}

fn forward(from: impl std::io::Read + Send + 'static, tell: Sender<String>) {
    std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
}

/// A network of its own. Dropping it removes it, which must come after its containers: made first, or the last field.
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) gateway: IpAddr,
    pub(crate) subnet: String,
}

impl Network {
    pub(crate) fn new() -> Self {
        let name = random_name();
        docker(&["network", "create", &name]);
        let told = |template| inspect(&name, template);
        let gateway = told("{{(index .IPAM.Config 0).Gateway}}").parse().unwrap();
        let subnet = told("{{(index .IPAM.Config 0).Subnet}}");
        Self { name, gateway, subnet }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["network", "rm", &self.name]).output();
    }
}

/// A named volume that nothing has been written to. Dropping it removes it.
pub(crate) struct Volume(pub(crate) String);

impl Volume {
    pub(crate) fn new() -> Self {
        let name = random_name();
        docker(&["volume", "create", &name]);
        Self(name)
    }

    /// The option that mounts it as the homes.
    pub(crate) fn as_homes(&self) -> String {
        format!("{}:/srv/ftp", self.0)
    }

    /// Where it lies on this machine.
    pub(crate) fn path(&self) -> PathBuf {
        inspect(&self.0, "{{.Mountpoint}}").into()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["volume", "rm", &self.0]).output();
    }
}

/// As many neighbouring ports of this machine as asked for, free on all addresses, below those that the kernel gives
/// out.
pub(crate) fn free_ports(count: u16) -> std::ops::Range<u16> {
    loop {
        let first = 30_100 + u16::try_from(random() % 2_600).unwrap();
        let ports = first..first + count;
        let is_free = |port| {
            ["0.0.0.0", "::"].iter().all(|ip| {
                let address = SocketAddr::new(ip.parse().unwrap(), port);
                std::net::TcpListener::bind(address).is_ok()
            })
        };
        if ports.clone().all(is_free) {
            return ports;
        }
    }
}

/// The address of this machine that others reach it at. Nothing is sent.
pub(crate) fn interface_address() -> IpAddr {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("198.51.100.1:9").expect("this machine has a route to others");
    socket.local_addr().unwrap().ip()
}

/// Waits as the engine needs it.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < ENGINE_PATIENCE.max(PATIENCE), "never: {what}");
        std::thread::yield_now();
    }
}
