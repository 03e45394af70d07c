//! README.md by its words: the blocks that want Docker are run as they stand, one after the other, in a clean clone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::compose::Project;
use crate::engine::{success, wait_until};
use crate::wire::Client;

/// The blocks marked as `sh docker`, in their order.
fn blocks() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("\n```sh docker\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().to_owned()).collect()
}

/// A folder for PATH in which `docker compose` means the older `docker-compose`, on a machine that has only that.
fn with_compose() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Command::new("docker").args(["compose", "version"]).output();
    if !plugin.is_ok_and(|output| output.status.success()) {
        let docker = String::from_utf8(Command::new("which").arg("docker").output().unwrap().stdout).unwrap();
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = compose ]; then shift; exec docker-compose \"$@\"; fi\nexec {} \"$@\"\n",
            docker.trim()
        );
        let path = folder.path().join("docker");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// What runs in the foreground of another terminal. Dropping it ends it.
struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn greets() -> bool {
    std::net::TcpStream::connect("127.0.0.1:2121").is_ok_and(|stream| {
        let address = stream.peer_addr().unwrap();
        drop(stream);
        // A port that Docker publishes is open before the server behind it is.
        std::panic::catch_unwind(|| Client::connect(address).reply().starts_with("220")).unwrap_or(false)
    })
}

#[test]
fn its_blocks_work_word_for_word() {
    let path = with_compose();
    // The ports are those that the README names.
    let project = Project::at_the_usual_ports();
    let shell = |block: &str| {
        let mut command = project.shell(block);
        let before = std::env::split_paths(&command_path()).collect::<Vec<_>>();
        let all = std::iter::once(path.path().to_owned()).chain(before);
        command.env("PATH", std::env::join_paths(all).unwrap());
        command
    };
    let [up, list, user, upload, check, status] = &blocks()[..] else {
        panic!("other blocks than these: {:#?}", blocks())
    };

    let mut serving = shell(up);
    let _terminal = Terminal(serving.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_until("it serves", greets);
    assert!(success(&mut shell(list)).contains(" 7 "), "the file of seven bytes is not listed");
    success(&mut shell(user));
    wait_until("she may upload", || shell(upload).output().unwrap().status.success());
    let said = success(&mut shell(check));
    assert!(said.contains("# alice elradfmwMT /srv/ftp/alice"), "{said}");
    assert!(!said.contains("wonderland"), "{said}");
    let said = success(&mut shell(status));
    assert!(said.contains(": sessions 0 of 512, ports 0 of 10, ") && said.contains("nobody is there"), "{said}");
}

#[expect(clippy::disallowed_methods, reason = "where the programs of the machine are")]
fn command_path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
