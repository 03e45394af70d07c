//! Health checks: the engine's own, and those that connect and go away.

use std::net::TcpStream;

use crate::engine::{ALICE, Container, SECRET, inspect, wait_until};

#[test]
fn the_engine_finds_it_healthy_and_the_log_does_not_tell_of_it() {
    let container = Container::start(&["-e", ALICE, "-e", SECRET, "--health-interval=1s"]);
    wait_until("healthy", || inspect(&container.name, "{{.State.Health.Status}}") == "healthy");
    assert!(!container.said().contains("session opened"), "{}", container.said());
}

#[test]
fn one_that_answers_nobody_is_found_unhealthy() {
    let options = ["-e", ALICE, "-e", SECRET, "--health-interval=1s", "--health-timeout=1s", "--health-retries=1"];
    let container = Container::start(&options);
    wait_until("healthy", || inspect(&container.name, "{{.State.Health.Status}}") == "healthy");
    // All its threads stand still; the check is a process of its own and does not.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(container.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    wait_until("unhealthy", || inspect(&container.name, "{{.State.Health.Status}}") == "unhealthy");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    wait_until("healthy again", || inspect(&container.name, "{{.State.Health.Status}}") == "healthy");
}

#[test]
fn a_thousand_probes_leave_nothing() {
    // They come faster than they can go, so without limits: nobody is to be refused for the others.
    let limits = ["-e", "FTP_MAX_CONS=0", "-e", "FTP_MAX_PER_IP=0"];
    let options = ["-e", ALICE, "-e", SECRET, "-e", "FTP_BAN_AFTER=1", "-e", "FTP_LOG_LEVEL=debug"];
    let container = Container::start(&[&limits[..], &options[..]].concat());
    let warnings = |container: &Container| container.said().matches(r#""level":"WARN""#).count();
    // What is opened once and kept is there after a first session.
    container.alice().ask("QUIT", "221");
    let descriptors = format!("/proc/{}/fd", container.pid());
    let open = || std::fs::read_dir(&descriptors).unwrap().count();
    let mut base = usize::MAX;
    wait_until("the first session is over", || {
        let now = open();
        std::mem::replace(&mut base, now) == now && container.said().contains("session closed")
    });
    let before = warnings(&container);
    let control = container.control();
    for _ in 0..1_000 {
        drop(TcpStream::connect(control).unwrap());
    }
    // Connections are accepted in their order, so the probes are all in once she is.
    container.alice().ask("QUIT", "221");
    wait_until("as many descriptors as before", || open() <= base);
    // The log is on its way a little longer than the session.
    wait_until("all probes in the log", || container.said().matches(r#""probed""#).count() == 1_000);
    let said = container.said();
    assert_eq!(warnings(&container), before, "{said}");
    assert!(!said.contains(r#""message":"banned""#), "{said}");
}
