//! curl, by OpenSSL. Passive only: with TLS, curl 7.88 loses an active data connection as soon as it has accepted it.

use super::super::desk::Ended;
use super::super::tree;
use super::{Ground, KINDS, Kind, REUSES};
use crate::harness::{USERS, set};

/// curl's name for both versions, and the words for them when it tells of the handshake.
const VERSIONS: [(&str, &str); 2] = [("1.2", "using TLSv1.2"), ("1.3", "using TLSv1.3")];

fn url(ground: &Ground, kind: Kind, path: &str) -> String {
    let scheme = match kind {
        Kind::Explicit => "ftp",
        Kind::Implicit => "ftps",
    };
    format!("{scheme}://{}/{path}", ground.address(kind))
}

fn curl(ground: &Ground, arguments: &[&str]) -> Ended {
    // The last --cacert counts.
    let common = ["-sSv", "--cacert", "ca.pem", "--ssl-reqd", "--user", "bob:secret"];
    ground.desk.run("curl", common.iter().chain(arguments))
}

#[test]
fn loads_stores_and_lists_with_each_version_kind_and_reuse() {
    // All pairs where most is asked for, and each once elsewhere.
    let strict = KINDS.into_iter().flat_map(|kind| VERSIONS.map(|version| ("require", kind, version)));
    let others = [("off", Kind::Explicit, VERSIONS[0]), ("prefer", Kind::Implicit, VERSIONS[1])];
    let content = tree::bytes(1_000_000);
    let grounds = REUSES.map(|reuse| (reuse, Ground::new(reuse)));
    for (reuse, kind, (version, words)) in strict.chain(others) {
        let (_, ground) = grounds.iter().find(|(known, _)| *known == reuse).unwrap();
        let (there, here) = (ground.server.home("bob").join("up"), ground.desk.path("file"));
        let run = |arguments: &[&str]| {
            let ended = curl(ground, &[&["--tls-max", version], arguments].concat()).succeeded();
            ended.said(words).said("SSL certificate verify ok.").said("< 226")
        };
        std::fs::write(&here, &content).unwrap();
        run(&["--upload-file", "file", &url(ground, kind, "up")]);
        assert!(std::fs::read(&there).unwrap() == content);
        std::fs::remove_file(&here).unwrap();
        run(&["--disable-epsv", "--output", "file", &url(ground, kind, "up")]);
        assert!(std::fs::read(&here).unwrap() == content);
        assert_eq!(run(&["--list-only", &url(ground, kind, "")]).out.trim(), "up");
        std::fs::remove_file(&there).unwrap();
    }
}

#[test]
fn many_files_over_one_session_that_each_resume_it() {
    let ground = Ground::new("require");
    // No more of them: curl 7.88 pauses for a second before each.
    for name in ["one", "two", "three"] {
        std::fs::write(ground.server.home("bob").join(name), name).unwrap();
    }
    for (version, _) in VERSIONS {
        let got = curl(&ground, &["--tls-max", version, &url(&ground, Kind::Explicit, "{one,two,three}")]);
        assert!(got.succeeded().out.ends_with("three"));
    }
}

#[test]
fn is_told_when_it_does_not_resume_where_it_must() {
    let ground = Ground::new("require");
    for (version, _) in VERSIONS {
        let arguments = ["--tls-max", version, "--no-sessionid", &url(&ground, Kind::Explicit, "")];
        curl(&ground, &arguments).failed(18).said("< 522 The data connection must resume the TLS session");
    }
}

#[test]
fn does_not_speak_to_a_server_of_another_authority_or_name() {
    let ground = Ground::new("prefer");
    for kind in KINDS {
        let by_address = url(&ground, kind, "");
        curl(&ground, &["--cacert", "other.pem", &by_address]).failed(60).said("SSL certificate problem");
        let by_name = by_address.replace("127.0.0.1", "other.test");
        let resolve = format!("other.test:{}:127.0.0.1", ground.address(kind).port());
        curl(&ground, &["--resolve", &resolve, &by_name]).failed(60).said("no alternative certificate subject name");
    }
}

#[test]
fn is_told_to_use_tls_and_for_data_too() {
    let ground = Ground::new("prefer");
    let address = ground.server.address;
    let url = format!("ftp://bob:secret@{address}/");
    let ended = ground.desk.run("curl", ["-sSv", &url]);
    ended.failed(67).said("< 530 Use AUTH TLS first").did_not_say("> PASS");
    let ended = ground.desk.run("curl", ["-sSv", "--cacert", "ca.pem", "--ftp-ssl-control", &url]);
    ended.said("< 534 Data connections must be encrypted.").said("< 521 Use PROT P first");
}

#[test]
fn does_not_get_by_with_old_versions() {
    let oldest = |version: &str| Ground::with(USERS, |settings| set(settings, "tls_min_version", version));
    for (version, spoken) in [("1.2", "1.1"), ("1.3", "1.2")] {
        let ground = oldest(version);
        for kind in KINDS {
            curl(&ground, &["--tls-max", spoken, "--ciphers", "DEFAULT@SECLEVEL=0", &url(&ground, kind, "")])
                .failed(35);
            curl(&ground, &[&url(&ground, kind, "")]).succeeded();
        }
    }
}
