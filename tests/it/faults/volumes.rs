//! Volumes: one that becomes read-only or goes away, and what the kinds of them can do. Each server has mounts of its own,
//! which go with it; making them takes root.

use crate::binary::{PROGRAM, Running, Setup};
use crate::namespaces::program;
use crate::wire::Client;

/// A server for which this was done before, `$HOMES` being where the homes are.
fn serve(script: &str, setup: Setup) -> Running {
    let homes = setup.path("home").display().to_string();
    let script = format!("set -e; {script}; exec \"$0\" \"$@\"");
    let words = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", &script, PROGRAM];
    setup.variable("PATH", "/usr/bin:/bin").variable("HOMES", &homes).program(&words).start()
}

/// Does this in the mounts of a server that runs.
fn change(server: &Running, script: &str) {
    let mounts = format!("--mount=/proc/{}/ns/mnt", server.pid());
    let homes = server.folder().join("home");
    let said = program("nsenter").args([&mounts, "/bin/sh", "-c", script]).env("HOMES", homes).output().unwrap();
    assert!(said.status.success(), "{script}: {}", String::from_utf8_lossy(&said.stderr));
}

/// F40: a volume that becomes read-only is read and not written, and all is as before once it is writable again.
#[test]
fn a_volume_that_becomes_read_only() {
    let server = serve("mount -t tmpfs homes \"$HOMES\"; mkdir \"$HOMES/bob\"", Setup::new());
    let mut client = Client::login(server.address, "bob");
    client.store("file", b"content");
    change(&server, "mount -o remount,ro \"$HOMES\"");
    let mut newcomer = Client::login(server.address, "bob");
    for client in [&mut client, &mut newcomer] {
        assert_eq!(client.retrieve("file"), b"content");
        assert_eq!(client.try_to_store("file", b"other"), "550 Read-only file system.");
        client.ask("DELE file", "550 Read-only file system.");
        client.ask("MKD folder", "550 Read-only file system.");
    }
    change(&server, "mount -o remount,rw \"$HOMES\"");
    for client in [&mut client, &mut newcomer] {
        client.store("file", b"other");
        assert_eq!(client.retrieve("file"), b"other");
    }
    assert!(server.end().status.success());
}

/// F40: a volume that is taken away: what is not there is not found, nothing is written where it was, and whoever logs in
/// when it is back has it.
#[test]
fn a_volume_that_goes_and_comes_back() {
    let setup = Setup::new().variable("FTP_CREATE_HOMES", "off");
    let volume = setup.path("volume");
    std::fs::create_dir_all(volume.join("bob")).unwrap();
    std::fs::remove_dir(setup.path("home/bob")).unwrap();
    let mount = format!("mount --bind '{}' \"$HOMES\"", volume.display());
    let server = serve(&mount, setup);
    let mut before = Client::login(server.address, "bob");
    before.store("file", b"content");

    change(&server, "umount -l \"$HOMES\"");
    let mut meanwhile = Client::connect(server.address);
    meanwhile.expect("220");
    meanwhile.ask("USER bob", "331");
    meanwhile.ask("PASS secret", "530 The home directory is not available.");
    // Whoever was there before has it still, as the kernel keeps it for him.
    assert_eq!(before.retrieve("file"), b"content");

    change(&server, &mount);
    meanwhile.ask("USER bob", "331");
    meanwhile.ask("PASS secret", "230");
    assert_eq!(meanwhile.retrieve("file"), b"content");
    meanwhile.store("file", b"other");
    assert_eq!(before.retrieve("file"), b"other");
    assert!(server.end().status.success());
}

/// F40: a file server that has forgotten what it was asked for (ESTALE): an error, and the session lives.
#[test]
fn a_stale_volume_is_an_error() {
    let inject = ["-e", "trace=openat2", "-e", "inject=openat2:error=ESTALE:when=4+"];
    let words = [&["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null"][..], &inject, &[PROGRAM]].concat();
    let server = Setup::new().program(&words).start();
    std::fs::write(server.folder().join("home/bob/file"), "content").unwrap();
    let mut client = Client::login(server.address, "bob");
    // Each thread of the server has a few openings before they fail.
    let replies: Vec<String> = (0..40).map(|_| client.try_to_store("new", b"content")).collect();
    assert!(replies.iter().all(|reply| reply.starts_with("226") || reply.starts_with("451")), "{replies:#?}");
    assert!(replies.iter().filter(|reply| reply.starts_with("451")).count() > 10, "{replies:#?}");
    client.ask("NOOP", "200");
    client.ask("QUIT", "221");
}

/// F56: on every kind of file system uploads take their name in one step, are flushed where that is asked for, never
/// replace what they may not, and can be gone on with.
#[test]
fn every_kind_of_volume() {
    const OVERLAY: &str = "mount -t tmpfs layers \"$HOMES\"; (cd \"$HOMES\"; mkdir lower lower/bob upper work homes; \
                           echo below > lower/bob/file; \
                           mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work homes \"$HOMES\")";
    for script in [
        "true",
        "mount -t tmpfs homes \"$HOMES\"; mkdir \"$HOMES/bob\"; echo below > \"$HOMES/bob/file\"",
        "mount --bind \"$HOMES\" \"$HOMES\"",
        OVERLAY,
    ] {
        let setup = Setup::new().variable("FTP_UPLOAD_FSYNC", "on").file("home/bob/file", "below\n");
        let home = setup.path("home/bob").display().to_string();
        let anonymous = [("ENABLE_ANONYMOUS", "on"), ("ANONYMOUS_PATH", &home), ("ANONYMOUS_PERM", "elwf")];
        let setup = anonymous.iter().fold(setup, |setup, (name, value)| setup.variable(&format!("FTP_{name}"), value));
        let server = serve(script, setup);
        let mut bob = Client::login(server.address, "bob");
        assert_eq!(bob.retrieve("file"), b"below\n", "{script}");
        bob.store("file", b"over it");
        assert_eq!(bob.retrieve("file"), b"over it", "{script}");
        bob.ask("RNFR file", "350");
        bob.ask("RNTO other", "250");
        bob.store("file", b"beginning, ");
        bob.append("file", b"end");
        assert_eq!(bob.retrieve("file"), b"beginning, end", "{script}");
        // Who may not replace a file does not.
        let mut anybody = Client::login(server.address, "anonymous");
        anybody.store("anybodys", b"new");
        anybody.ask("STOR file", "553");
        anybody.ask("RNFR anybodys", "350");
        anybody.ask("RNTO file", "553");
        anybody.ask("RNTO free", "503");
        anybody.ask("RNFR anybodys", "350");
        anybody.ask("RNTO free", "250");
        bob.ask("MKD folder", "257");
        bob.ask("DELE other", "250");
        assert!(server.end().status.success(), "{script}");
    }
}
