//! What has bitten FTP servers, and what comes of it here. The numbers (T01 …) are those of the threat catalogue that
//! this server was built against; a test elsewhere that shows the same names its number too.

use std::path::{Path, PathBuf};

mod control;
mod data;
mod files;
mod listings;
mod login;
mod resources;
mod tls;

/// How many threats the catalogue has.
const THREATS: usize = 77;

/// Each number stands at a test, or at the check of CI that takes its place.
#[test]
fn every_threat_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> = ["tests", "src", ".ci"].map(|folder| root.join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path != root.join("tests/it/threats.rs") {
                texts.push(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
            }
        }
    }
    let unnamed: Vec<String> = (1..=THREATS)
        .map(|number| format!("T{number:02}"))
        .filter(|threat| {
            !texts.iter().any(|text| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == threat))
        })
        .collect();
    assert_eq!(unnamed, Vec::<String>::new());
}
