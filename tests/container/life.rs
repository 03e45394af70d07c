//! The end of a container: in order, with the transfers that can be ended.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::engine::{ALICE, Container, SECRET, Volume, docker, inspect};
use crate::wire::Client;

const KILLED: i32 = 137;

/// `docker stop` in the background; within this many seconds the engine does not kill.
fn stop(container: &Container, seconds: &str) -> Child {
    let mut command = Command::new("docker");
    command.args(["stop", "--time", seconds, &container.name]).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn an_idle_one_ends_when_it_is_told_to() {
    let container = Container::start(&["-e", ALICE, "-e", SECRET]);
    let mut idle = container.alice();
    let mut greeted = Client::connect(container.control());
    greeted.expect("220");
    docker(&["stop", &container.name]);
    idle.expect("421");
    idle.expect_end();
    greeted.expect("421");
    assert_eq!(container.wait(), 0, "{KILLED} would be a kill");
    assert_eq!(inspect(&container.name, "{{.State.OOMKilled}} {{.State.Error}}"), "false");
    assert!(container.said().contains(r#""message":"stopping","signal":"SIGTERM""#), "{}", container.said());
}

#[test]
fn one_with_arguments_and_without_a_session_too() {
    let container = Container::start(&["-e", ALICE, "-e", SECRET, "--read-only", "--init"]);
    docker(&["stop", &container.name]);
    assert_eq!(container.wait(), 0);
}

#[test]
fn an_upload_that_runs_comes_to_its_end() {
    let homes = Volume::new();
    // The grace is far longer than the upload takes, and the engine's patience longer still.
    let options = ["-e", ALICE, "-e", SECRET, "-e", "FTP_SHUTDOWN_GRACE=60s", "-v", &homes.as_homes()];
    let mut container = Container::start(&options);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 7 == 0)]).collect();
    let (first, rest) = bytes.split_at(1_000_000);

    let mut client = container.alice();
    let control = container.control();
    let mut data = client.open();
    client.ask("STOR upload", "150");
    data.write_all(first).unwrap();
    let mut stopping = stop(&container, "90");
    container.wait_for_line(r#""stopping""#);
    data.write_all(rest).unwrap();
    // Nobody new is let in meanwhile.
    assert!(is_closed_to_newcomers(control));
    drop(data);
    client.expect("226");
    client.expect("421");
    assert!(stopping.wait().unwrap().success());
    assert_eq!(container.wait(), 0, "{KILLED} would be a kill");
    let kept = std::fs::read(homes.path().join("alice/upload")).unwrap();
    assert!(kept == bytes, "{} bytes of {}", kept.len(), bytes.len());
}

fn is_closed_to_newcomers(control: std::net::SocketAddr) -> bool {
    use std::io::Read;
    match std::net::TcpStream::connect(control) {
        Err(_) => true,
        Ok(mut stream) => {
            let mut greeting = Vec::new();
            // An end or a reset, either before any greeting.
            let _ = stream.read_to_end(&mut greeting);
            !greeting.starts_with(b"220")
        }
    }
}

#[test]
fn a_transfer_that_outlasts_the_grace_is_cut_off_and_told() {
    let container = Container::start(&["-e", ALICE, "-e", SECRET, "-e", "FTP_SHUTDOWN_GRACE=1s"]);
    let mut client = container.alice();
    let mut data = client.open();
    client.ask("STOR upload", "150");
    data.write_all(b"the first of many").unwrap();
    let mut stopping = stop(&container, "60");
    client.expect("426");
    client.expect("421");
    assert!(stopping.wait().unwrap().success());
    assert_eq!(container.wait(), 0, "{KILLED} would be a kill");
}
