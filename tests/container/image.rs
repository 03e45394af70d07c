//! The image itself: small, empty but for the server, without rights and without a password.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::engine::{both, docker, image, inspect, inspect_json, random_name, success};

#[test]
fn it_is_small() {
    let size: u64 = inspect(image(), "{{.Size}}").parse().unwrap();
    assert!((1..=20_000_000).contains(&size), "{size} bytes");
}

#[test]
fn it_says_how_it_is_to_be_run() {
    let config = inspect_json(image(), ".Config");
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/longshore"]));
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/usr/bin/longshore", "healthcheck"]));
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["WorkingDir"], "/etc/longshore");
    let exposed: BTreeSet<&str> = config["ExposedPorts"].as_object().unwrap().keys().map(String::as_str).collect();
    let passive: Vec<String> = (30_000..=30_009).map(|port| format!("{port}/tcp")).collect();
    assert_eq!(exposed, passive.iter().map(String::as_str).chain(["2121/tcp", "8080/tcp"]).collect());
    for label in ["title", "description", "licenses"] {
        let label = format!("org.opencontainers.image.{label}");
        assert!(config["Labels"][&label].as_str().is_some_and(|text| !text.is_empty()), "{label}");
    }
    // What the engine sets, and no password among it.
    let environment: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(|entry| entry.as_str()).collect();
    assert!(environment.iter().all(|entry| entry.starts_with("PATH=")), "{environment:?}");
}

/// T75: nothing is there to run but the server.
#[test]
fn it_holds_the_server_its_settings_and_the_homes_and_no_shell() {
    let name = random_name();
    docker(&["create", "--name", &name, image()]);
    let mut export = Command::new("docker").args(["export", &name]).stdout(Stdio::piped()).spawn().unwrap();
    let listed = Command::new("tar").args(["-tv"]).stdin(export.stdout.take().unwrap()).output().unwrap();
    export.wait().unwrap();
    docker(&["rm", "--volumes", &name]);
    let listed = both(&listed);
    let entries: Vec<(&str, &str)> = listed
        .lines()
        .map(|line| (line.split(' ').next().unwrap(), line.split_whitespace().nth(5).unwrap().trim_end_matches('/')))
        .collect();
    // What the engine makes for each container.
    let engines = [".dockerenv", "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"];
    let ours = ["usr/bin/longshore", "etc/longshore/conf", "srv/ftp/anonymous", "usr/share/doc/longshore"];
    let is_within = |places: &[&str], path: &str| {
        places.iter().any(|place| Path::new(path).starts_with(place) || Path::new(place).starts_with(path))
    };
    for (mode, path) in entries.into_iter().filter(|(_, path)| !is_within(&engines, path)) {
        assert!(is_within(&ours, path), "{path}");
        let is_program = mode.starts_with('-') && mode.contains('x');
        assert_eq!(is_program, path == "usr/bin/longshore", "{mode} {path}");
    }
}

/// Everything in the program is there under the terms of its licence: the text goes with it.
#[test]
fn it_carries_the_licences_of_what_is_in_it() {
    let name = random_name();
    docker(&["create", "--name", &name, image()]);
    let folder = tempfile::tempdir().unwrap();
    docker(&["cp", &format!("{name}:/usr/share/doc/longshore"), folder.path().to_str().unwrap()]);
    docker(&["rm", "--volumes", &name]);
    let read = |file: &str| std::fs::read_to_string(folder.path().join("longshore").join(file)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(read("LICENSE"), std::fs::read_to_string(root.join("LICENSE")).unwrap());
    let crates = read("third-party-licenses.txt");
    // Every crate that a normal build for Linux takes, by the resolver's own word.
    let mut tree = Command::new("cargo");
    tree.args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{lib}\t{p}"]);
    let tree = success(tree.current_dir(root));
    let wanted: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, package)| package.split(' ').take(2).collect::<Vec<_>>().join(" ").replacen(" v", " ", 1))
        .filter(|package| !package.starts_with("longshore "))
        .collect();
    assert!(wanted.len() > 100, "{wanted:?}");
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|package| !crates.lines().any(|line| line.trim_start().starts_with(package.as_str())))
        .collect();
    assert!(missing.is_empty(), "{missing:?} have no licence in docs/third-party-licenses.txt; .ci/run makes it again");
    for (file, words) in [
        ("glibc-copyright", "GNU C Library"),
        ("libgcc-copyright", "GCC Runtime Library Exception"),
        ("LGPL-2.1", "GNU LESSER GENERAL PUBLIC LICENSE"),
        ("GPL-3", "GNU GENERAL PUBLIC LICENSE"),
    ] {
        assert!(read(file).contains(words), "{file}");
    }
}

#[test]
fn nobody_may_log_in_unless_it_is_said() {
    let output = Command::new("docker").args(["run", "--rm", image()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    assert!(both(&output).contains("found no users and no anonymous"), "{}", both(&output));
}

#[test]
fn arguments_are_appended() {
    let ports = docker(&["run", "--rm", image(), "ports", "--passive-ports", "30000-30001"]);
    assert!(ports.contains("30000-30001:30000-30001") || ports.contains("30001:30001"), "{ports}");
    assert!(!ports.contains("30009"), "{ports}");
}

#[test]
fn the_bases_are_pinned() {
    let dockerfile = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let bases: Vec<&str> =
        dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next()).collect();
    assert_eq!(bases, ["${BUILD_IMAGE}", "scratch"]);
    let pinned: Vec<&str> = dockerfile.lines().filter_map(|line| line.strip_prefix("ARG BUILD_IMAGE=")).collect();
    let [base] = pinned[..] else { panic!("{pinned:?}") };
    let (name, digest) = base.split_once("@sha256:").unwrap_or_else(|| panic!("{base} has no digest"));
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{base}");
    let (_, tag) = name.split_once(':').unwrap_or_else(|| panic!("{base} has no tag"));
    assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{base} does not say which one it is");
}
