//! compose.yaml as it is, in a clean clone: with variables only, as an operator sets them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::engine::{
    clean_clone, docker, free_ports, image, inspect, inspect_json, interface_address, random, random_name, success,
};
use crate::wire::{Client, all_of, stream_from};

/// A project in a clone of its own. Dropping it removes what it made.
pub(crate) struct Project {
    clone: tempfile::TempDir,
    name: String,
    variables: Vec<(String, String)>,
    /// The control port.
    port: u16,
}

impl Project {
    pub(crate) fn new() -> Self {
        // So that the cache has all layers, and what is built here are but names.
        image();
        let name = random_name();
        let ports = free_ports(5);
        let variables = [
            ("COMPOSE_PROJECT_NAME", name.clone()),
            ("LONGSHORE_IMAGE", name.clone()),
            ("FTP_BIND", "0.0.0.0".to_owned()),
            ("FTP_ENABLE_ANONYMOUS", "on".to_owned()),
            ("LONGSHORE_NETWORK", format!("10.{}.{}", 128 + random() % 64, random() % 256)),
            ("FTP_PORT", ports.start.to_string()),
            ("FTP_PASSIVE_PORTS", format!("{}-{}", ports.start + 1, ports.end - 1)),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { clone: clean_clone(), name, variables, port: ports.start }
    }

    /// One that leaves the ports as compose.yaml has them.
    pub(crate) fn at_the_usual_ports() -> Self {
        let mut project = Self::new();
        project.variables.retain(|(name, _)| !name.starts_with("FTP_"));
        project.port = 2121;
        project
    }

    /// Lines for a shell, in the clone and with the variables.
    pub(crate) fn shell(&self, lines: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-e", "-u", "-c", lines]).current_dir(self.clone.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// `docker compose`, or `docker-compose` on a machine that has the older one.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Command {
        let plugin = Command::new("docker").args(["compose", "version"]).output();
        let mut command = if plugin.is_ok_and(|output| output.status.success()) {
            let mut command = Command::new("docker");
            command.arg("compose");
            command
        } else {
            Command::new("docker-compose")
        };
        command.current_dir(self.clone.path()).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A path in the clone.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.clone.path().join(name)
    }

    #[track_caller]
    pub(crate) fn up(&self, service: &str) -> String {
        success(&mut self.compose(&["up", "--detach", service]));
        let container = success(&mut self.compose(&["ps", "--quiet", service]));
        self.wait_until_healthy(&container);
        container
    }

    fn wait_until_healthy(&self, container: &str) {
        crate::engine::wait_until("it serves", || {
            let said = self.log(container);
            assert_eq!(inspect(container, "{{.State.Running}}"), "true", "{said}");
            said.contains("listening  ")
        });
    }

    pub(crate) fn log(&self, container: &str) -> String {
        crate::engine::both(&Command::new("docker").args(["logs", container]).output().unwrap())
    }

    pub(crate) fn at(&self, ip: impl Into<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.into(), self.port)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "--volumes", "--remove-orphans"]).output();
        let _ = Command::new("docker").args(["rmi", &self.name]).output();
    }
}

fn list(client: &mut Client, to: SocketAddr) -> String {
    let mut data = client.data(to);
    client.ask("LIST", "150");
    let listing = all_of(&mut data);
    client.expect("226");
    String::from_utf8(listing).unwrap()
}

#[test]
fn a_first_run_serves_anonymous_and_nobody_else() {
    let project = Project::new();
    success(&mut project.compose(&["config", "--quiet"]));
    let container = project.up("ftp");
    let file = project.clone.path().join("compose.yaml");
    docker(&["cp", file.to_str().unwrap(), &format!("{container}:/srv/ftp/anonymous/hello")]);
    let mut client = Client::connect(project.at(Ipv4Addr::LOCALHOST));
    client.expect("220");
    client.ask("USER anonymous", "331");
    client.ask("PASS me@example.test", "230");
    let to = client.epsv();
    assert!(list(&mut client, to).contains("hello"));
    let to = client.pasv();
    assert_eq!(to.ip(), Ipv4Addr::LOCALHOST);
    assert!(list(&mut client, to).contains("hello"));
    client.ask("TYPE I", "200");
    assert!(client.retrieve("hello").starts_with(b"# `docker compose up`"));
    client.ask("STOR mine", "550");
    // By this machine's address the client is seen as itself, and its data connection, by loopback, as the gateway.
    let mut client = Client::connect(project.at(interface_address()));
    client.expect("220");
    client.ask("USER anonymous", "331");
    client.ask("PASS me@example.test", "230");
    let mut data = stream_from(Ipv4Addr::LOCALHOST.into(), client.pasv()).unwrap();
    client.ask("LIST", "150");
    assert!(!all_of(&mut data).is_empty());
    client.expect("226");
    let said = project.log(&container);
    let users: Vec<&str> = said.lines().filter(|line| line.contains("/srv/ftp/")).collect();
    assert!(users.len() == 1 && users[0].contains("anonymous elr "), "{said}");
    // No line tells of what an operator has to mend.
    assert!(!said.contains("chown"), "{said}");
}

/// T75: the same by compose.yaml.
#[test]
fn a_user_uploads_and_the_container_has_no_rights() {
    const PASSWORD: &str = "an odd one's #1";
    let mut project = Project::new();
    project.set("FTP_USER", "alice");
    project.set("FTP_PASS", PASSWORD);
    let container = project.up("ftp");
    let bytes = vec![b'x'; 300_000];
    let mut client = Client::connect(project.at(Ipv4Addr::LOCALHOST));
    client.expect("220");
    client.ask("USER alice", "331");
    client.ask(&format!("PASS {PASSWORD}"), "230");
    client.ask("TYPE I", "200");
    client.store("by pasv", &bytes);
    let to = client.epsv();
    let mut data = client.data(to);
    client.ask("STOR by epsv", "150");
    std::io::Write::write_all(&mut data, &bytes).unwrap();
    drop(data);
    client.expect("226");
    assert!(client.retrieve("by epsv") == bytes);
    assert!(client.retrieve("by pasv") == bytes);
    assert!(!project.log(&container).contains(PASSWORD));

    let host = inspect_json(&container, ".HostConfig");
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["CapAdd"], json!(null));
    assert!(host["SecurityOpt"][0].as_str().unwrap().starts_with("no-new-privileges"));
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(host["LogConfig"]["Config"], json!({"max-file": "3", "max-size": "10m"}));
    assert_eq!(host["Ulimits"][0]["Name"], "nofile");
    assert!(!project.log(&container).contains("open files"), "fewer descriptors than sessions need");
    let config = inspect_json(&container, ".Config");
    assert_eq!(config["User"], "1000:1000");
    // Above the default of shutdown_grace, 8 s.
    assert!(config["StopTimeout"].as_u64().unwrap() > 8);

    // The homes outlive the container.
    success(&mut project.compose(&["down"]));
    let again = project.up("ftp");
    assert_ne!(again, container);
    let mut client = Client::connect(project.at(Ipv4Addr::LOCALHOST));
    client.expect("220");
    client.ask("USER alice", "331");
    client.ask(&format!("PASS {PASSWORD}"), "230");
    // In either type the size as stored.
    client.ask("SIZE by pasv", "213 300000");
    client.ask("TYPE I", "200");
    client.ask("SIZE by pasv", "213 300000");
}

/// What the file shows as a comment works when the marks are taken away.
#[test]
fn the_secret_of_the_comments_works() {
    const PASSWORD: &str = "with a $ and a #";
    let mut project = Project::new();
    project.set("FTP_USER", "alice");
    let file = project.clone.path().join("compose.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let shown = [
        ("  # secrets:\n  #   - ftp_pass\n", "  secrets:\n    - ftp_pass\n"),
        ("  # FTP_PASS_FILE: /run/secrets/ftp_pass\n", "  FTP_PASS_FILE: /run/secrets/ftp_pass\n"),
        (
            "# secrets:\n#   ftp_pass:\n#     file: ./ftp_pass.txt\n",
            "secrets:\n  ftp_pass:\n    file: ./ftp_pass.txt\n",
        ),
    ];
    let with_secret = shown.iter().fold(text, |text, (comment, plain)| {
        assert_eq!(text.matches(comment).count(), 1, "{comment}");
        text.replace(comment, plain)
    });
    std::fs::write(&file, with_secret).unwrap();
    std::fs::write(project.clone.path().join("ftp_pass.txt"), format!("{PASSWORD}\n")).unwrap();
    project.up("ftp");
    let mut client = Client::connect(project.at(Ipv4Addr::LOCALHOST));
    client.expect("220");
    client.ask("USER alice", "331");
    client.ask(&format!("PASS {PASSWORD}"), "230");
}

#[test]
fn in_the_network_of_this_machine_each_client_is_seen_as_itself() {
    let project = Project::new();
    let container = project.up("ftp-host");
    assert_eq!(inspect(&container, "{{.HostConfig.NetworkMode}}"), "host");
    let mut client = Client::connect(project.at(Ipv4Addr::LOCALHOST));
    client.expect("220");
    client.ask("USER anonymous", "331");
    client.ask("PASS me@example.test", "230");
    let to = client.pasv();
    assert_eq!(to.ip(), Ipv4Addr::LOCALHOST);
    list(&mut client, to);
    crate::engine::wait_until("it says so", || project.log(&container).contains(r#""peer":"127.0.0.1:"#));
    // The other service does not come along, for the ports would collide.
    assert_eq!(success(&mut project.compose(&["ps", "--quiet"])).lines().count(), 1);
}

#[test]
fn what_no_engine_can_tell_stands_in_the_file() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml")).unwrap();
    // YAML 1.1 reads 2121:2121 as a number to the base of 60.
    let ports: Vec<&str> = text.lines().filter(|line| line.contains("}:") && line.trim().starts_with("- ")).collect();
    assert_eq!(ports.iter().filter(|line| line.contains("FTP_P")).count(), 4);
    assert!(ports.iter().all(|line| line.trim_start_matches([' ', '-']).starts_with('"')), "{ports:?}");
    // Nobody is let in, and no other machine reaches it, before somebody says so.
    assert!(ports.iter().all(|line| line.contains("${FTP_BIND:-127.0.0.1}:") || line.contains("# ")), "{ports:?}");
    assert!(text.contains(r#"FTP_ENABLE_ANONYMOUS: "${FTP_ENABLE_ANONYMOUS:-}""#));
    for shown in ["./data:/srv/ftp:Z", "stop_grace_period", "ro,Z"] {
        assert!(text.contains(shown), "{shown}");
    }
    // No password stands there, neither in the open nor as a default.
    assert!(text.contains(r#"FTP_PASS: "${FTP_PASS:-}""#));
}
