//! Python's ftplib.FTP_TLS, which makes a new TLS session for each data connection, and the few lines that make it resume
//! the one there is. What it does stands in `ftplib_deeds.py`.

use super::{Ground, Kind, REUSES};

const VERSIONS: [&str; 2] = ["TLSv1_2", "TLSv1_3"];
const MODES: [&str; 2] = ["passive", "active"];

#[track_caller]
fn ftplib(ground: &Ground, authority: &str, version: &str, mode: &str, deed: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/tls/ftplib_deeds.py");
    let port = ground.address(Kind::Explicit).port().to_string();
    let ended = ground.desk.run("python3", ["-I", "-B", script, &port, authority, version, mode, deed]);
    ended.succeeded().said(&format!("done: {deed}"));
}

#[test]
fn works_as_it_is_unless_it_must_resume() {
    for reuse in REUSES {
        let ground = Ground::new(reuse);
        let deed = if reuse == "require" { "refused_without_reuse" } else { "there_and_back" };
        for version in VERSIONS {
            for mode in MODES {
                ftplib(&ground, "ca.pem", version, mode, deed);
            }
        }
    }
}

/// T26: tickets that are good once would be used up soon.
#[test]
fn resumes_one_session_two_hundred_times() {
    for reuse in ["prefer", "require"] {
        let ground = Ground::new(reuse);
        for version in VERSIONS {
            ftplib(&ground, "ca.pem", version, "passive", "resume_many");
        }
    }
}

#[test]
fn cannot_resume_where_nobody_does() {
    ftplib(&Ground::new("off"), "ca.pem", "TLSv1_3", "passive", "resume_in_vain");
}

#[test]
fn does_not_speak_to_a_server_of_another_authority() {
    ftplib(&Ground::new("prefer"), "other.pem", "TLSv1_3", "passive", "other_authority");
}

#[test]
fn is_told_to_use_tls_and_for_data_too() {
    ftplib(&Ground::new("prefer"), "ca.pem", "TLSv1_3", "passive", "in_clear");
}
