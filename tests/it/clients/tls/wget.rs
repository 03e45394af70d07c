//! wget, by GnuTLS, which Debian builds with FTPS. It only downloads.

use super::super::desk::Ended;
use super::super::tree;
use super::{Ground, KINDS, Kind, REUSES};

fn wget(ground: &Ground, kind: Kind, arguments: &[&str]) -> Ended {
    let url = format!("ftps://bob:secret@{}/tree/", ground.address(kind));
    let common = ["--no-config", "--no-verbose", "--debug", "--tries=1", "--timeout=20", "--no-host-directories"];
    let implicit: &[&str] = match kind {
        Kind::Explicit => &[],
        Kind::Implicit => &["--ftps-implicit"],
    };
    // The last --ca-certificate counts.
    let believed = ["--recursive", "--restrict-file-names=nocontrol", "--ca-certificate=ca.pem"];
    ground.desk.run("wget", common.iter().chain(&believed).chain(implicit).chain(arguments).chain([&url.as_str()]))
}

#[test]
fn mirrors_with_each_kind() {
    let ground = Ground::new("require");
    // What it cannot do without TLS either.
    let can = |name: &[u8]| !name.starts_with(b" ") && !name.windows(3).any(|three| three == b"%41");
    tree::plant(&ground.server.home("bob").join("tree"), can);
    for (kind, (way, flag)) in KINDS.into_iter().zip([("PASV", "--passive-ftp"), ("PORT", "--no-passive-ftp")]) {
        wget(&ground, kind, &[flag]).succeeded().said(&format!("--> {way}"));
        tree::assert_same(&ground.server.home("bob").join("tree"), &ground.desk.path("tree"));
        std::fs::remove_dir_all(ground.desk.path("tree")).unwrap();
    }
}

#[test]
fn gets_with_each_reuse_and_is_told_when_it_must_resume() {
    for reuse in REUSES {
        let ground = Ground::new(reuse);
        std::fs::create_dir(ground.server.home("bob").join("tree")).unwrap();
        std::fs::write(ground.server.home("bob").join("tree/file"), "content").unwrap();
        wget(&ground, Kind::Explicit, &[]).succeeded();
        assert_eq!(std::fs::read(ground.desk.path("tree/file")).unwrap(), b"content");
        let ended = wget(&ground, Kind::Explicit, &["--no-ftps-resume-ssl", "--no-clobber"]);
        if reuse == "require" {
            ended.said("522 The data connection must resume the TLS session of the control connection.");
        } else {
            ended.succeeded();
        }
    }
}

#[test]
fn does_not_speak_to_a_server_of_another_authority() {
    let ground = Ground::new("prefer");
    for kind in KINDS {
        wget(&ground, kind, &["--ca-certificate=other.pem"])
            .failed(5)
            .said("doesn't have a known issuer")
            .did_not_say("--> PASS");
    }
}
