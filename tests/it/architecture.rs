//! Holds the code to the map in `lib.rs`: which module may use which, and what stands in one place only.

use std::path::{Path, PathBuf};

/// The order of `lib.rs`: a module uses only those before it.
const ORDER: [&str; 18] = [
    "turns", "blocking", "path", "protocol", "settings", "users", "listing", "files", "limits", "observe", "tls",
    "hooks", "data", "session", "commands", "operator", "http", "server",
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // Tests stand last in a file and may use what they like.
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path, code));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.into_iter().map(|(path, code)| (path.strip_prefix(&root).unwrap().to_owned(), code)).collect()
}

/// The module of a file of `src/`; `None` for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Option<String> {
    let first = path.components().next()?.as_os_str().to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    ORDER.contains(&name.as_str()).then_some(name)
}

fn code_lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().map(|line| line.split("//").next().unwrap_or_default())
}

#[test]
fn a_module_uses_only_those_before_it() {
    let mut uses = 0;
    for (path, code) in sources() {
        let Some(own) = module_of(&path) else { continue };
        let rank = |name: &str| ORDER.iter().position(|known| *known == name);
        for line in code_lines(&code) {
            for after in line.split("crate::").skip(1) {
                let used: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let Some(used_rank) = rank(&used) else { continue };
                uses += 1;
                assert!(Some(used_rank) <= rank(&own), "{}: {own} uses {used}, which comes after it", path.display());
            }
        }
    }
    assert!(uses > 100, "only {uses} uses were found: the search is broken");
}

#[test]
fn every_module_is_on_the_map() {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let named: Vec<&str> = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(named.len(), ORDER.len());
    for module in ORDER {
        assert!(named.contains(&module), "{module}");
        assert!(map.contains(&format!("[`{module}`]")), "{module} is not described");
    }
}

/// Words that may stand only where the map allows them. T77, F20: the wall clock, which jumps, dates lines, files and
/// certificates, and drives no timer.
#[test]
fn what_belongs_in_one_place_stands_there_only() {
    let rules: [(&str, &[&str], &[&str]); 7] = [
        (
            "sockets and files",
            &["tokio::net", "std::net::Tcp", "std::fs::", "tokio::fs"],
            &["files", "tls", "hooks", "data", "operator", "http", "server", "observe", "settings/looks.rs"],
        ),
        ("served files", &["cap_std"], &["files"]),
        ("reply codes", &[" Code::", "(Code::"], &["protocol"]),
        ("the environment", &["std::env::"], &["settings", "main"]),
        ("writing to the control connection", &["Connection::new"], &["server"]),
        (
            "the wall clock",
            &["SystemTime::now", "Timestamp::now", "Zoned::now"],
            &[
                "observe/log.rs",
                "observe/rotated.rs",
                "observe/transfer_log.rs",
                "hooks/event.rs",
                "session/board.rs",
                "commands/list.rs",
                "files/at_once.rs",
                "files/sweep.rs",
                "tls/own.rs",
            ],
        ),
        ("tasks", &["tokio::spawn", "task::spawn("], &[]),
    ];
    let mut seen = 0;
    for (path, code) in sources() {
        let place = path.to_string_lossy().into_owned();
        for (what, words, allowed) in rules {
            for line in code_lines(&code) {
                if words.iter().any(|word| line.contains(word)) {
                    seen += 1;
                    assert!(allowed.iter().any(|folder| place.starts_with(folder)), "{place}: {what}: {line}");
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} words were found: the search is broken");
}
