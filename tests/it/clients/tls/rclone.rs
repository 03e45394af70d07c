//! rclone, by Go's TLS. It keeps tickets for all its sessions together, so with more than one at a time it takes those
//! of another, which are no good.

use super::super::desk::Ended;
use super::super::tree;
use super::{Ground, KINDS, Kind, REUSES};

fn rclone(ground: &Ground, authority: &str, kind: Kind, option: &str, arguments: [&str; 3]) -> Ended {
    let obscured = ground.desk.run("rclone", ["obscure", "secret"]).succeeded().out;
    let port = ground.address(kind).port();
    let tls = match kind {
        Kind::Explicit => "explicit_tls",
        Kind::Implicit => "tls",
    };
    let pass = obscured.trim_end();
    let remote = format!(":ftp,host=127.0.0.1,port={port},user=bob,pass={pass},{tls}=true,{option}encoding=Slash:");
    let believed = format!("SSL_CERT_FILE={authority}");
    let common = ["rclone", "--config=", "--retries=1", "--low-level-retries=1", "--timeout=20s", "--contimeout=20s"];
    let arguments = arguments.map(|argument| argument.replace("FTP:", &remote));
    let all = std::iter::once(believed.as_str()).chain(common).chain(arguments.iter().map(String::as_str));
    ground.desk.run("env", all.filter(|argument| !argument.is_empty()))
}

#[test]
fn syncs_there_and_back_with_each_kind_and_reuse() {
    for reuse in REUSES {
        let ground = Ground::new(reuse);
        // Names are text, for rclone.
        tree::plant(&ground.desk.path("source"), |name| std::str::from_utf8(name).is_ok());
        let option = if reuse == "require" { "concurrency=1," } else { "" };
        // Both where most is asked for.
        let kinds = KINDS.into_iter().filter(|kind| reuse == "require" || matches!(kind, Kind::Explicit));
        for kind in kinds {
            let sync = |from, to| {
                rclone(&ground, "ca.pem", kind, option, ["sync", from, to]).succeeded();
            };
            sync("source", "FTP:up");
            sync("FTP:up", "back");
            for there in [ground.server.home("bob").join("up"), ground.desk.path("back")] {
                std::fs::create_dir(there.join(tree::EMPTY_FOLDER)).unwrap();
                tree::assert_same(&ground.desk.path("source"), &there);
                std::fs::remove_dir_all(there).unwrap();
            }
        }
    }
}

#[test]
fn is_told_when_it_does_not_resume_where_it_must() {
    let ground = Ground::new("require");
    for kind in KINDS {
        let ended = rclone(&ground, "ca.pem", kind, "tls_cache_size=0,", ["lsf", "FTP:", ""]);
        ended.failed(1).said("522 The data connection must resume the TLS session of the control connection.");
    }
}

#[test]
fn does_not_speak_to_a_server_of_another_authority() {
    let ground = Ground::new("prefer");
    for kind in KINDS {
        rclone(&ground, "ca.pem", kind, "", ["lsf", "FTP:", ""]).succeeded();
        rclone(&ground, "other.pem", kind, "", ["lsf", "FTP:", ""])
            .failed(1)
            .said("certificate signed by unknown authority");
    }
}
