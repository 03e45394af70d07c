//! Holds what is written for people to the code: README.md, compose.yaml and conf/.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use longshore::commands;
use longshore::server::{Prepared, prepare};
use longshore::settings::{FIELDS, Field, Loaded, Permission, Settings, cli, readme_table};

use crate::binary::PROGRAM;
use crate::wire::{Client, free_port};

const TABLE_BEGINS: &str = "<!-- settings: generated from src/settings/table.rs -->\n";
const TABLE_ENDS: &str = "<!-- end of settings -->\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands under a heading, up to the next.
fn section<'a>(readme: &'a str, heading: &str) -> &'a str {
    let (_, after) = readme.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    after.split("\n## ").next().unwrap_or_default()
}

/// The rows of the tables in a text, without heads and rules, cell by cell.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let rules = lines.iter().filter(|line| line.starts_with("| ---")).count();
    let mut rows: Vec<Vec<&str>> = Vec::new();
    for pair in lines.windows(2) {
        let is_head = pair[1].starts_with("| ---");
        if pair[0].starts_with("| ") && !pair[0].starts_with("| ---") && !is_head {
            rows.push(pair[0].trim_matches('|').split('|').map(str::trim).collect());
        }
    }
    assert!(rules > 0 && !rows.is_empty(), "no table");
    rows
}

/// What stands between single backticks, code blocks apart.
fn code_words(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// The blocks for a shell, with who runs them: `sh` is run here, `sh docker` by the tests that have an engine, and `sh
/// elsewhere` is for a cluster, or is the tests themselves.
fn shell_blocks(readme: &str) -> Vec<(&str, &str)> {
    let blocks = readme.split("\n```sh").skip(1);
    blocks
        .filter_map(|after| after.split("\n```").next()?.split_once('\n'))
        .map(|(who, text)| (who.trim(), text))
        .collect()
}

/// The lines of all of them, without comments.
fn shell_lines(readme: &str) -> Vec<&str> {
    let lines = shell_blocks(readme).into_iter().flat_map(|(_, text)| text.lines());
    lines.map(|line| line.split(" #").next().unwrap_or_default().trim()).collect()
}

/// The words of a text that are made of `letters` alone and begin with `start`.
fn words_with<'a>(text: &'a str, start: &'a str, letters: fn(char) -> bool) -> impl Iterator<Item = &'a str> {
    text.split(move |c| !letters(c)).filter(move |word| word.starts_with(start) && word.len() > start.len())
}

#[test]
fn the_settings_table_is_the_generated_one() {
    let readme = text("README.md");
    let (before, rest) = readme.split_once(TABLE_BEGINS).expect("the table has a beginning");
    let (table, after) = rest.split_once(TABLE_ENDS).expect("the table has an end");
    let generated = format!("\n{}\n", readme_table());
    if table != generated {
        let renewed = [before, TABLE_BEGINS, &generated, TABLE_ENDS, after].concat();
        std::fs::create_dir_all(root().join("target")).unwrap();
        std::fs::write(root().join("target/README.md"), renewed).unwrap();
        panic!("the settings table of README.md is stale, mend it by: cp target/README.md README.md");
    }
}

#[test]
fn every_variable_that_is_named_exists() {
    let known: BTreeSet<String> = FIELDS
        .iter()
        .flat_map(|field| [Some(field.variable()), field.secret.then(|| format!("{}_FILE", field.variable()))])
        .flatten()
        // That of compose.yaml alone, which says where the ports are published.
        .chain(["FTP_BIND".to_owned()])
        .collect();
    let mut seen = 0;
    for file in ["README.md", "compose.yaml", "Dockerfile", "conf/settings.toml", "conf/users.conf"] {
        let text = text(file);
        for word in words_with(&text, "FTP_", |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
            seen += 1;
            assert!(known.contains(word), "{file} names {word}, and there is no such variable");
        }
    }
    assert!(seen > 20, "only {seen} variables were found: the search is broken");
}

#[test]
fn every_setting_that_is_named_exists() {
    // Spelled so in the settings file of old, and told as such.
    const OF_OLD: [&str; 1] = ["loging_name"];
    // Fields of events, for `hooks/kinds.rs`.
    const OF_EVENTS: [&str; 5] = ["from_file", "path_bytes", "from_bytes", "file_bytes", "from_file_bytes"];
    let mut seen = 0;
    let readme = text("README.md");
    for code in code_words(&readme) {
        let name = code.split([' ', '=']).next().unwrap_or_default();
        // Those are for another test, `http/documents.rs`.
        let is_figure = ["longshore_", "process_"].iter().any(|begin| name.starts_with(begin));
        let is_word = name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_word && !is_figure && !OF_OLD.contains(&name) && !OF_EVENTS.contains(&name) {
            seen += 1;
            assert!(Field::named(name).is_some(), "README.md names {name}, and there is no such setting");
        }
        for flag in code.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
            let of_others = ["json", "kubernetes"].contains(&flag) || code.starts_with("docker ");
            let known = FIELDS.iter().any(|field| field.flag() == flag) || of_others;
            assert!(known, "README.md names --{flag}, and there is no such flag");
        }
    }
    assert!(seen > 40, "only {seen} settings were found: the search is broken");
}

#[test]
fn every_command_line_that_is_shown_is_understood() {
    let readme = text("README.md");
    let mut seen = 0;
    for line in shell_lines(&readme) {
        // What follows the program's name: by itself, behind a pipe, or as cargo and compose run it.
        let ways = ["longshore ", "cargo run --release -- ", "docker compose run --rm ftp "];
        let after = ways.iter().find_map(|way| {
            let command = line.rsplit("| ").next().unwrap_or_default();
            command.strip_prefix(way)
        });
        let Some(arguments) = after else { continue };
        seen += 1;
        let words = arguments.split_whitespace().take_while(|word| *word != ">");
        let words = std::iter::once("longshore").chain(words);
        if let Err(error) = cli::command().try_get_matches_from(words) {
            panic!("{line}: {error}");
        }
    }
    assert!(seen >= 4, "only {seen} command lines were found: the search is broken");
}

/// `longshore ports` is for writing a deployment, which comes before its users.
#[test]
fn the_ports_are_told_without_users() {
    let empty = tempfile::tempdir().unwrap();
    let mut ports = Command::new(PROGRAM);
    ports.args(["ports", "--passive-ports", "4000-4001"]).current_dir(&empty).env_clear();
    let told = ports.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stderr), "");
    let want = "ports:\n  - \"2121:2121\"\n  - \"4000-4001:4000-4001\"\n";
    assert_eq!(String::from_utf8_lossy(&told.stdout), want);
    assert!(told.status.success());
    assert_eq!(ports.args(["--port", "x"]).output().unwrap().status.code(), Some(2));
}

/// Word for word and in order, in an empty folder. `cargo run` is the program that the tests are of:
/// that it can be built is known here.
#[test]
fn the_blocks_for_a_shell_do_what_they_say() {
    let readme = text("README.md");
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(PROGRAM, programs.join("longshore")).unwrap();
    let cargo = "#!/bin/sh\n[ \"$1 $2 $3\" = \"run --release --\" ] || exit 99\nshift 3\nexec longshore \"$@\"\n";
    std::fs::write(programs.join("cargo"), cargo).unwrap();
    std::fs::set_permissions(programs.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let clone = folder.path().join("clone");
    std::fs::create_dir(&clone).unwrap();
    let shared = clone.join("shared");
    let port = free_port();

    let shell = |block: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-ec", block]).current_dir(&clone).env_clear().stdin(Stdio::null());
        shell.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        // Where nobody else is, and with somebody who may log in.
        shell.env("FTP_IP", "127.0.0.1").env("FTP_PORT", port.to_string()).env("FTP_PASSIVE_PORTS", "20000-29999");
        shell.env("FTP_ENABLE_ANONYMOUS", "on").env("FTP_ANONYMOUS_PATH", &shared);
        shell
    };
    let mut server = None;
    let mut seen = Vec::new();
    for (who, block) in shell_blocks(&readme) {
        assert!(["", "docker", "elsewhere"].contains(&who), "who runs ```sh {who}?");
        if !who.is_empty() {
            continue;
        }
        if block.starts_with("cargo run") {
            assert_eq!(block.lines().count(), 1, "it serves until it is ended");
            server = Some(Served::start(&mut shell(block)));
            continue;
        }
        let output = shell(block).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{}: {complaint}", output.status);
        seen.push(String::from_utf8(output.stdout).unwrap());
    }
    let [answers, hash] = &seen[..] else { panic!("{} blocks", seen.len()) };
    for part in ["max_cons = 512", "\"20000-29999:20000-29999\"", "name: passive-20000"] {
        assert!(answers.contains(part), "{part}: {answers}");
    }
    assert!(hash.starts_with("$argon2id$") && hash.lines().count() == 1, "{hash}");
    // Whom the sharing is for: anybody, to read and to write, in the folder that the server made.
    std::fs::write(shared.join("hello.txt"), "Hello.\n").unwrap();
    let mut client = Client::login((std::net::Ipv4Addr::LOCALHOST, port).into(), "anonymous");
    assert_eq!(client.retrieve("hello.txt"), b"Hello.\n");
    client.store("new", b"content");
    assert_eq!(std::fs::read(shared.join("new")).unwrap(), b"content");
    drop(server.expect("a block that serves"));
}

/// A block that serves, and all that it started.
struct Served(Child);

impl Served {
    /// Waits until it listens.
    fn start(command: &mut Command) -> Self {
        let mut served = Self(command.process_group(0).stdout(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(served.0.stdout.take().unwrap()).lines();
        assert!(said.by_ref().map_while(Result::ok).any(|line| line.contains("listening ")), "it ended");
        // To the end, or it could not say any more.
        std::thread::spawn(move || said.for_each(drop));
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        // It may have ended by itself.
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn the_words_that_help_is_given_for_are_those_that_are_said() {
    let readme = text("README.md");
    let said = text("src/protocol/replies.txt");
    // Replies about files have their words there.
    let of_files = text("src/session/refusal.rs");
    let told: Vec<&str> =
        rows(section(&readme, "Troubleshooting")).into_iter().flat_map(|row| code_words(row[0])).collect();
    for reply in &told {
        let begin = reply.split("(172").next().unwrap();
        let about_a_file = reply.strip_prefix("550 ").is_some_and(|words| of_files.contains(&format!("(\"{words}\")")));
        assert!(about_a_file || said.lines().any(|line| line.starts_with(begin)), "nobody says: {reply}");
    }
    for code in ["227", "425", "421", "530", "550"] {
        assert!(told.iter().any(|reply| reply.starts_with(code)), "{code}");
    }
    assert!(section(&readme, "Troubleshooting").contains("hangs at LIST"));
}

#[test]
fn every_link_within_leads_to_a_heading() {
    let readme = text("README.md");
    let anchors: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(|heading| heading.to_lowercase().replace(' ', "-").replace('?', ""))
        .collect();
    let links: Vec<&str> = readme.split("](#").skip(1).filter_map(|after| after.split(')').next()).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(anchors.contains(link), "#{link}");
    }
}

#[test]
fn every_name_of_the_old_settings_is_told() {
    let readme = text("README.md");
    let told = code_words(section(&readme, "Coming from pyftpdlib"));
    for name in [
        "ip",
        "port",
        "max_upload",
        "max_download",
        "max_cons",
        "max_per_ip",
        "passive_ports",
        "enable_anonymous",
        "anonymous_path",
        "enable_logging",
        "loging_name",
        "welcome_msg",
    ] {
        assert!(told.contains(&name), "{name}");
        assert_eq!(Field::named(name).is_some(), name != "loging_name", "{name}");
    }
}

#[test]
fn the_map_of_the_code_is_that_of_the_library() {
    let readme = text("README.md");
    let map = rows(section(&readme, "The code"));
    for row in &map {
        let path = row[0].trim_matches('`');
        assert!(root().join(path).exists(), "{path} is on the map and not there");
    }
    // Modules, in the same order and with the same words as in lib.rs.
    let library = text("src/lib.rs").replace("//! ", "");
    let modules: Vec<(String, &str)> = rows(&library)
        .iter()
        .map(|row| {
            let name = row[1].trim_matches(['[', ']', '`']);
            let file = format!("src/{name}.rs");
            (if root().join(&file).exists() { file } else { format!("src/{name}/") }, row[2])
        })
        .collect();
    let told: Vec<(String, &str)> = map.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1])).collect();
    assert_eq!(told.get(..modules.len()), Some(&modules[..]));
    // And nothing of src/ is left out.
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Beside a module that is one file, a directory of its name holds its tests.
        let files = [format!("src/{name}"), format!("src/{name}.rs")];
        let is_told = told.iter().any(|(path, _)| files.iter().any(|file| path.trim_end_matches('/') == file));
        assert!(is_told || name == "lib.rs", "src/{name} is not on the map");
    }
}

#[test]
fn every_path_that_is_named_exists() {
    let readme = text("README.md");
    let mut seen = 0;
    for path in code_words(&readme) {
        if ["src/", "conf/", "tests/", "benches/"].iter().any(|folder| path.starts_with(folder)) {
            seen += 1;
            assert!(root().join(path).exists(), "README.md names {path}, which is not there");
        }
    }
    assert!(seen > 20, "only {seen} paths were found: the search is broken");
}

#[test]
fn the_table_of_letters_is_whole_and_its_commands_exist() {
    let readme = text("README.md");
    let table = rows(section(&readme, "Users"));
    let letters: Vec<String> = table.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(letters, Permission::ALL.map(|permission| permission.letter().to_string()));
    for row in table {
        for command in row[2].split(", ") {
            let verb = command.split(' ').next().unwrap_or_default();
            assert!(commands::find(verb.as_bytes()).is_some(), "{command}");
        }
    }
}

#[test]
fn the_sample_of_users_loads() {
    let folder = tempfile::tempdir().unwrap();
    let sample = load(folder.path(), |settings| settings.users_file = Some(root().join("conf/users.conf")));
    // The tests run as root.
    let warnings: Vec<_> = sample.warnings.iter().filter(|warning| !warning.starts_with("run_as: ")).collect();
    assert_eq!(warnings, Vec::<&String>::new());
    assert_eq!(sample.roster.accounts().count(), 1, "there is anonymous, and nobody whose password is known to all");
}

#[test]
fn the_users_that_are_shown_are_read_once_they_have_their_whole_hash() {
    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$g9Q2jcdWsWypDs/nEisp0A\
                        $dlJVXZHsj348IXMD4Q3881vwFoagey8g6Fww+TiM8y8";
    for file in ["README.md", "conf/users.conf"] {
        let shown: BTreeMap<&str, String> = text(file)
            .lines()
            .map(|line| line.trim_start_matches('#'))
            .filter_map(|line| ["alice ", "bob "].iter().find(|name| line.starts_with(**name)).zip(Some(line)))
            .map(|(name, line)| {
                let whole = |word: &str| if word.starts_with("$argon2id$") { HASH.to_owned() } else { word.to_owned() };
                (*name, line.split(' ').map(whole).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(shown.len(), 2, "{file}");
        let users = shown.into_values().collect::<Vec<_>>().join("\n");
        let folder = tempfile::tempdir().unwrap();
        let prepared = load(folder.path(), |settings| settings.set("users", &users).unwrap());
        assert_eq!(prepared.roster.accounts().count(), 3, "{file}");
    }
}

/// What becomes of these settings, with an anonymous user as well, on loopback.
fn load(folder: &Path, change: impl FnOnce(&mut Settings)) -> Prepared {
    let mut settings = Settings {
        enable_anonymous: true,
        anonymous_path: PathBuf::from(folder),
        users_file: None,
        home_root: PathBuf::from(folder),
        ..Settings::default()
    };
    settings.set("ip", "127.0.0.1").unwrap();
    change(&mut settings);
    let loaded = Loaded::from(settings);
    prepare(Ok(loaded), folder).unwrap_or_else(|why| panic!("{why}"))
}
