//! FTPS from the container: with a pair that is mounted and renewed, and with one that the server makes.

use std::path::Path;
use std::process::{Command, Output};

use crate::authority::{Authority, Pair};
use crate::compose::Project;
use crate::engine::{ALICE, Container, SECRET, both, free_ports, success, wait_until};

/// curl's exit codes.
const NOT_VERIFIED: i32 = 60;
const ACCESS_DENIED: i32 = 67;

fn curl(folder: &Path, arguments: &[&str]) -> Output {
    let common = ["-sS", "--ssl-reqd", "--user", "alice:secret", "--max-time", "30"];
    Command::new("curl").current_dir(folder).args(common).args(arguments).output().unwrap()
}

#[track_caller]
fn goes(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = curl(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    output.stdout
}

/// As the comment in compose.yaml has it, from a folder that belongs to root.
fn install(project: &Project, pair: &Pair) {
    let lineage = tempfile::tempdir().unwrap();
    std::fs::write(lineage.path().join("fullchain.pem"), &pair.cert_pem).unwrap();
    std::fs::write(lineage.path().join("privkey.pem"), &pair.key_pem).unwrap();
    let text = std::fs::read_to_string(project.path("compose.yaml")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("  #   cd \"$RENEWED_LINEAGE\"")).unwrap();
    assert!(line.contains("/where/this/file/is/"), "{line}");
    let hook =
        format!("cd \"$RENEWED_LINEAGE\"{line}").replace("/where/this/file/is", &project.path("").to_string_lossy());
    success(Command::new("sh").args(["-ec", &hook]).env("RENEWED_LINEAGE", lineage.path()));
}

#[test]
fn compose_serves_a_mounted_pair_and_follows_its_renewal() {
    let mut project = Project::new();
    let implicit = free_ports(1).start;
    project.set("LONGSHORE_FTPS_PORT", &implicit.to_string());
    project.set("FTP_USER", "alice");
    project.set("FTP_PASS", "secret");
    std::fs::create_dir(project.path("tls")).unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    install(&project, &first.issue(&["127.0.0.1"]));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("first.pem"), first.pem()).unwrap();
    std::fs::write(folder.join("second.pem"), second.pem()).unwrap();
    std::fs::write(folder.join("file"), "content").unwrap();
    success(&mut project.compose(&["--profile", "tls", "config", "--quiet"]));

    let container = project.up("ftp-tls");
    let control = project.at(std::net::Ipv4Addr::LOCALHOST);
    let (explicit, implicit) = (format!("ftp://{control}/"), format!("ftps://127.0.0.1:{implicit}/"));
    for url in [&explicit, &implicit] {
        for way in ["--ftp-pasv", "--disable-epsv"] {
            goes(folder, &["--cacert", "first.pem", way, "-T", "file", url]);
            assert_eq!(goes(folder, &["--cacert", "first.pem", way, &format!("{url}file")]), b"content");
        }
    }
    let plain = Command::new("curl").args(["-sS", "--user", "alice:secret", &explicit]).output().unwrap();
    assert_eq!(plain.status.code(), Some(ACCESS_DENIED), "{}", both(&plain));

    assert_eq!(curl(folder, &["--cacert", "second.pem", &explicit]).status.code(), Some(NOT_VERIFIED));
    install(&project, &second.issue(&["127.0.0.1"]));
    wait_until("the new pair is read", || project.log(&container).contains("certificate read anew"));
    for url in [&explicit, &implicit] {
        goes(folder, &["--cacert", "second.pem", url]);
        assert_eq!(curl(folder, &["--cacert", "first.pem", url]).status.code(), Some(NOT_VERIFIED));
    }
}

#[test]
fn without_a_pair_one_is_made_for_the_name_that_clients_have() {
    let name = "FTP_MASQUERADE_ADDRESS=ftp.example.org";
    let mut container = Container::launch(&["-e", ALICE, "-e", SECRET, "-e", "FTP_TLS=required", "-e", name]);
    let line = container.wait_for_line("one was made that no client can verify");
    let address = container.control();
    let folder = tempfile::tempdir().unwrap();
    let fetch = format!(
        "openssl s_client -connect {address} -starttls ftp < /dev/null 2> /dev/null | openssl x509 > made.pem\n\
         openssl x509 -in made.pem -noout -fingerprint -sha256"
    );
    let told = success(Command::new("bash").args(["-e", "-o", "pipefail", "-c", &fetch]).current_dir(folder.path()));
    let fingerprint = told.split('=').nth(1).unwrap();
    assert!(fingerprint.len() == 95 && line.contains(fingerprint), "{told} {line}");
    // Whoever has checked that may believe it.
    let resolve = format!("ftp.example.org:2121:{}", address.ip());
    let url = "ftp://ftp.example.org:2121/";
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let believed = ["--resolve", &resolve, "--cacert", "made.pem"];
    goes(folder.path(), &[&believed[..], &["-T", "file", url]].concat());
    assert_eq!(goes(folder.path(), &[&believed[..], &[&format!("{url}file")]].concat()), b"content");
    assert_eq!(curl(folder.path(), &["--resolve", &resolve, url]).status.code(), Some(NOT_VERIFIED));
}
