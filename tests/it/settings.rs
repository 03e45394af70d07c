//! Settings as an operator gives them: files, variables and flags together, and what is said of the bad ones.
//!
//! `tests/settings/bad` and `good` hold a case a file, `*.toml` a settings file and `*.env` an environment. Comment
//! lines at the top say what is expected: `# expect:` a part of the complaint, `# never:` what must not be in it,
//! `# value:` a line of `longshore check`, `# warning:` and `# note:` parts of these.

mod share;

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore::settings::{
    FIELDS, Loaded, Origin, Problems, Settings, Surroundings, cli, examine, load, render_check, settings_file,
};
use proptest::prelude::*;

/// A folder of its own, with a settings file unless that is empty, and settings loaded there.
struct Operator {
    folder: tempfile::TempDir,
    environment: Vec<(OsString, OsString)>,
}

impl Operator {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn settings(self, toml: impl AsRef<[u8]>) -> Self {
        self.file("conf/settings.toml", toml)
    }

    fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn try_load(&self, flags: &[&str]) -> Result<Loaded, Problems> {
        let flags = cli::command().try_get_matches_from([&["longshore"], flags].concat()).unwrap();
        load(&flags, self.environment.clone(), self.folder.path())
    }

    fn load(&self, flags: &[&str]) -> Loaded {
        self.try_load(flags).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn complaint(&self, flags: &[&str]) -> String {
        self.try_load(flags).expect_err("these settings are bad").to_string()
    }
}

fn cases(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/settings").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    cases.sort();
    cases
}

fn operator_of(path: &Path, text: &str) -> Operator {
    let operator = Operator::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => operator.settings(text),
        Some("env") => text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .filter_map(|line| line.split_once('='))
            .fold(operator, |operator, (name, value)| operator.variable(name, value)),
        _ => panic!("{}: neither .toml nor .env", path.display()),
    }
}

fn notes<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let marker = format!("# {kind}: ");
    text.lines().filter_map(|line| line.strip_prefix(&marker)).collect()
}

#[test]
fn bad_settings_refuse_to_start_and_say_why() {
    let cases = cases("bad");
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    for (path, text) in cases {
        let complaint = operator_of(&path, &text).complaint(&[]);
        let expected = notes(&text, "expect");
        assert!(!expected.is_empty(), "{} expects nothing", path.display());
        for part in expected {
            assert!(complaint.contains(part), "{}: «{part}» is not in\n{complaint}", path.display());
        }
        for part in notes(&text, "never") {
            assert!(!complaint.contains(part), "{}: «{part}» is in\n{complaint}", path.display());
        }
    }
}

#[test]
fn good_settings_mean_what_they_say() {
    let cases = cases("good");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for (path, text) in cases {
        let loaded = operator_of(&path, &text).load(&[]);
        let check = render_check(&loaded);
        assert!(text.contains("# value: "), "{} expects nothing", path.display());
        for value in notes(&text, "value") {
            let same = |line: &str| line.split(" # ").next().unwrap().trim_end() == value;
            assert!(check.lines().any(same), "{}: «{value}» is not in\n{check}", path.display());
        }
        for (kind, said) in [("warning", loaded.warnings.join("\n")), ("note", loaded.notes.join("\n"))] {
            for part in notes(&text, kind) {
                assert!(said.contains(part), "{}: «{part}» is not in «{said}»", path.display());
            }
            assert_eq!(said.is_empty(), notes(&text, kind).is_empty(), "{}: {said}", path.display());
        }
    }
}

#[test]
fn nothing_given_is_every_default_without_a_warning() {
    let loaded = Operator::new().load(&[]);
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert_eq!((loaded.warnings.len(), loaded.notes.len(), loaded.share), (0, 0, None));
}

#[test]
fn the_shipped_file_is_the_defaults_also_with_every_comment_taken_away() {
    let shipped = settings_file();
    assert_eq!(Operator::new().settings(&shipped).load(&[]).settings, Settings::default());

    let settings: Vec<_> =
        shipped.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(settings.len(), FIELDS.len());
    let toml = settings.join("\n").replace("config = ", "#config = ");
    let loaded = Operator::new().settings(toml).load(&[]);
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.origins["port"], Origin::File("conf/settings.toml".into()));
}

/// Whichever layers say something, the uppermost of them counts, and is named as the origin.
#[test]
fn later_layers_win() {
    for layers in 0..8 {
        let (mut operator, mut flags, mut expected) = (Operator::new(), vec![], (512, "default"));
        if layers & 1 != 0 {
            operator = operator.settings("max_cons = 11");
            expected = (11, "conf/settings.toml");
        }
        if layers & 2 != 0 {
            operator = operator.variable("FTP_MAX_CONS", "12");
            expected = (12, "FTP_MAX_CONS");
        }
        if layers & 4 != 0 {
            flags = vec!["--max-cons", "13"];
            expected = (13, "--max-cons");
        }
        let loaded = operator.load(&flags);
        let origin = loaded.origins["max_cons"].to_string();
        assert_eq!((loaded.settings.max_cons.0, origin.as_str()), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No typing on the way: every password and message that a variable or a file can hold arrives as it is.
    #[test]
    fn texts_arrive_as_they_were_written(text in "[ -~äß€\n]{1,20}|[0-9]{1,5}|true|\\[x\\]|0x1f|1e3|\"a\"|null") {
        let by_variable = Operator::new().variable("FTP_USER", "bob").variable("FTP_PASS", &text).load(&[]);
        prop_assert_eq!(by_variable.settings.pass.expose(), &text);
        let by_file = Operator::new().variable("FTP_USER", "bob").variable("FTP_PASS_FILE", "p").file("p", format!("{text}\n"));
        let by_file = by_file.load(&[]);
        prop_assert_eq!(by_file.settings.pass.expose(), &text);
        let by_flag = Operator::new().load(&["-u", "bob", &format!("--pass={text}")]);
        prop_assert_eq!(by_flag.settings.pass.expose(), &text);
    }

    /// What `check` shows is a settings file that means the same.
    #[test]
    fn check_shows_a_settings_file(welcome in ".{0,20}", rate in 0_u64..5_000_000, users_file in "[a-z ]{0,5}", port in 0_u16..30000) {
        let operator = Operator::new()
            .variable("FTP_WELCOME_MSG", &welcome)
            .variable("FTP_MAX_UPLOAD", rate.to_string())
            .variable("FTP_PORT", port.to_string())
            .variable("FTP_USERS_FILE", &users_file);
        let first = operator.load(&[]);
        let shown = render_check(&first).replace("config = ", "#config = ");
        prop_assert_eq!(Operator::new().settings(shown).load(&[]).settings, first.settings);
    }

    #[test]
    fn no_file_makes_the_loader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), toml in "[a-z_\\[\\]=\"', 0-9\n]{0,60}") {
        let _ = Operator::new().settings(bytes).try_load(&[]);
        let _ = Operator::new().settings(toml).try_load(&[]);
    }
}

#[test]
fn every_setting_is_known_to_every_layer() {
    for field in FIELDS.iter().filter(|field| !field.default.is_empty() && field.name != "config") {
        let variable = Operator::new().variable(&field.variable(), field.default).load(&[]);
        assert_eq!(variable.origins[field.name], Origin::Given(field.variable()));
        let flag = format!("--{}", field.flag());
        let by_flag = Operator::new().load(&[&flag, field.default]);
        assert_eq!(by_flag.origins[field.name], Origin::Given(flag));
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let complaint = Operator::new()
        .settings("port = 99999\nmax_con = 5\nconfig = \"x\"\nusers = 5\n")
        .variable("FTP_UMASK", "9")
        .variable("FTP_PASSIV_PORTS", "1-2")
        .variable("FTP_USER", "bob")
        .complaint(&["--max-upload", "fast", "--idle-timeout", "soon"]);
    let expected = "\
conf/settings.toml: config: found in the settings file itself, expected only as FTP_CONFIG or --config
conf/settings.toml: max_con: there is no such setting, did you mean max_cons?
FTP_PASSIV_PORTS: there is no such setting, did you mean FTP_PASSIVE_PORTS?
conf/settings.toml: port: found 99999 without quotes, expected a port number from 0 to 65535
--max-upload: found \"fast\", expected bytes per second such as 300KiB, 300K, 2M or 300 * 1024 (300kB is 300000); 0 is no limit
conf/settings.toml: users: found a value that is not shown, expected text in quotes
--idle-timeout: found \"soon\", expected a duration of at most a year such as 5m, 300 (seconds), 1h30m or 500ms; 0 is no limit
FTP_UMASK: found \"9\", expected octal digits in quotes, from \"000\" to \"777\"
FTP_USER: found a user without a password, expected `pass` as well";
    assert_eq!(complaint, expected);
}

#[test]
fn a_problem_of_one_setting_is_not_told_again_by_those_that_need_it() {
    let complaint = Operator::new().variable("FTP_PASSIVE_PORTS", "2000-x").complaint(&["-p", "30000"]);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn a_file_asked_for_by_name_must_be_there() {
    assert!(
        Operator::new()
            .complaint(&["--config", "no.toml"])
            .starts_with("--config: found no.toml, which cannot be read")
    );
    let by_variable = Operator::new().variable("FTP_CONFIG", "no.toml").complaint(&[]);
    assert!(by_variable.starts_with("FTP_CONFIG: found no.toml"), "{by_variable}");
    let directory = Operator::new().file("conf/settings.toml/x", "").complaint(&[]);
    assert!(directory.starts_with("config (default): found conf/settings.toml, which cannot be read"), "{directory}");
    assert!(Operator::new().file("dir/x", "").complaint(&["--config", "dir"]).contains("directory"));
    let named = Operator::new().file("my.toml", "port = 1").load(&["--config", "my.toml"]);
    assert_eq!((named.settings.port, named.origins["port"].to_string()), (1, "my.toml".to_owned()));
}

#[test]
fn a_secret_file_loses_one_newline_and_nothing_else() {
    for (file, password) in [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("secret\r\n", "secret"),
        ("secret\n\n", "secret\n"),
        (" secret \n", " secret "),
        ("secret\r", "secret\r"),
        ("12345\n", "12345"),
    ] {
        let operator = Operator::new().variable("FTP_USER", "bob").variable("FTP_PASS_FILE", "p").file("p", file);
        let loaded = operator.load(&[]);
        assert_eq!(loaded.settings.pass.expose(), password, "{file:?}");
        assert_eq!(loaded.origins["pass"].to_string(), "FTP_PASS_FILE");
    }
    let missing = Operator::new().variable("FTP_USER", "bob").variable("FTP_PASS_FILE", "p").complaint(&[]);
    assert!(missing.starts_with("FTP_PASS_FILE: p: cannot be read") && missing.lines().count() == 1, "{missing}");
    let bytes = Operator::new().variable("FTP_PASS_FILE", "p").file("p", [0xff]).complaint(&["-u", "bob"]);
    assert!(bytes.contains("not UTF-8"), "{bytes}");
}

#[test]
fn secrets_are_in_no_output() {
    let files = [
        "pass = \"hunter2\"\nuser = \"bob\"\nusers = \"hunter2\"",
        "user = \"bob\"\npass = hunter2\n",
        "pass = \"hunter2\nport = 1",
    ];
    for file in files {
        let shown = match Operator::new().settings(file).try_load(&[]) {
            Ok(loaded) => {
                assert!(render_check(&loaded).contains("pass = \"********\""));
                format!("{loaded:?}{}{:?}", render_check(&loaded), loaded.settings.texts())
            }
            Err(problems) => format!("{problems}{problems:?}"),
        };
        assert!(!shown.contains("hunter"), "{shown}");
    }
    let numbers = Operator::new().settings("pass = 123456").complaint(&[]);
    assert!(!numbers.contains("123456"), "{numbers}");
    let bytes = OsString::from_vec(b"hunter\xff".to_vec());
    let complaint = Operator::new().variable("FTP_PASS", bytes).variable("FTP_PASSWORD", "hunter2").complaint(&[]);
    assert!(complaint.contains("FTP_PASSWORD") && !complaint.contains("hunter"), "{complaint}");
}

#[test]
fn syntax_errors_name_file_and_line() {
    let complaint = Operator::new().settings("port = 1\n\nip = nonsense\n").complaint(&[]);
    assert!(complaint.starts_with("conf/settings.toml, line 3: found no TOML, "), "{complaint}");
    let bytes = Operator::new().settings(b"port = 1\n# \xff\n").complaint(&[]);
    assert_eq!(bytes, "conf/settings.toml, line 2: found no TOML, expected UTF-8 throughout");
}

#[test]
fn windows_files_are_files_too() {
    let loaded = Operator::new().settings("\u{feff}port = 7\r\nmax_cons = 5\r\n").load(&[]);
    assert_eq!((loaded.settings.port, loaded.settings.max_cons.0), (7, 5));
}

/// Surroundings that nobody needs to be told of.
const FINE: Surroundings<'static> =
    Surroundings { accounts: Some(1), anonymous_home: true, local_addresses: &[], given_out: None };

#[test]
fn what_only_the_caller_knows_is_judged_too() {
    let anonymous = Operator::new().load(&["--enable-anonymous"]);
    let plain = Operator::new().load(&[]);
    assert_eq!(examine(&plain, &FINE), Default::default());

    let nobody = Surroundings { accounts: Some(0), ..FINE };
    assert!(examine(&plain, &nobody).problems[0].to_string().starts_with("users_file (default): found no users"));
    assert_eq!(examine(&anonymous, &nobody), Default::default());
    assert_eq!(examine(&plain, &Surroundings { accounts: None, ..FINE }), Default::default());

    let given_out = Surroundings { given_out: Some(30_005), ..FINE };
    assert!(examine(&plain, &given_out).warnings[0].starts_with("passive_ports (default): port 30005 is among those"));

    let homeless = Surroundings { anonymous_home: false, ..FINE };
    assert!(examine(&anonymous, &homeless).problems[0].complaint.contains("/srv/ftp/anonymous"));
    assert_eq!(examine(&plain, &homeless), Default::default());
}

#[test]
fn private_addresses_need_another_for_strangers() {
    let told = Operator::new().load(&["-n", "203.0.113.9"]);
    let plain = Operator::new().load(&[]);
    for (addresses, warns) in [
        (&["172.17.0.2"][..], true),
        (&["127.0.0.1", "100.64.0.1", "::1"], true),
        (&["10.0.0.1", "198.51.100.7"], false),
        (&["127.0.0.1"], false),
        (&["2001:db8::1"], false),
    ] {
        let local_addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let surroundings = Surroundings { local_addresses: &local_addresses, ..FINE };
        let warnings = examine(&plain, &surroundings).warnings;
        assert_eq!(warnings.iter().any(|warning| warning.contains("masquerade_address")), warns, "{addresses:?}");
        assert_eq!(examine(&told, &surroundings), Default::default());
    }
}

#[test]
fn few_ports_for_many_sessions_are_warned_about() {
    for (sessions, ports, warns) in [
        ("512", "30000-30009", false),
        ("512", "30000-30008", true),
        ("5", "30000-30004", false),
        ("5", "30000-30003", true),
        ("6400", "30000-30099", false),
        ("6400", "30000-30098", true),
        ("0", "30000", false),
    ] {
        let warnings = Operator::new().load(&["--max-cons", sessions, "-r", ports]).warnings;
        assert_eq!(warnings.iter().any(|warning| warning.contains("max_cons")), warns, "{sessions} {ports}");
    }
}

#[test]
fn durations_and_rates_arrive() {
    let settings = Operator::new().settings("idle_timeout = \"5m\"\nmax_upload = \"300 * 1024\"").load(&[]).settings;
    assert_eq!(settings.idle_timeout.limit(), Some(Duration::from_secs(300)));
    assert_eq!(settings.max_upload.0, 307_200);
}

/// What the file closes and a variable or a flag opens is told; the other way round, or without the file, it is not.
#[test]
fn what_opens_something_that_the_file_closes_is_told() {
    for (name, closed, open) in [
        ("enable_anonymous", "off", "on"),
        ("anonymous_perm", "elr", "elrw"),
        ("perm", "el", "elr"),
        ("ip", "127.0.0.1", "127.0.0.1,192.0.2.1"),
        ("http_listen", "127.0.0.1:8080", "0.0.0.0:8080"),
        ("max_cons", "10", "0"),
        ("max_per_ip", "10", "11"),
        ("max_per_user", "1", "0"),
        ("trusted_peers", "10.0.0.0/8", "10.0.0.0/8,192.0.2.1"),
        ("proxy_from", "10.0.0.0/8", "0.0.0.0/0"),
        ("enable_active", "off", "on"),
        ("permit_foreign_addresses", "off", "on"),
        ("permit_privileged_ports", "off", "on"),
        ("max_login_attempts", "3", "0"),
        ("auth_failed_delay", "3", "0"),
        ("ban_after", "5", "0"),
        ("ban_time", "10m", "1m"),
        ("login_timeout", "60", "0"),
        ("tls", "required", "allowed"),
        ("tls", "allowed", "off"),
        ("tls_data_required", "on", "off"),
        ("tls_min_version", "1.3", "1.2"),
        ("tls_session_reuse", "require", "prefer"),
        ("umask", "077", "022"),
        ("file_mode", "600", "666"),
        ("dir_mode", "700", "777"),
    ] {
        let told = |file: &str, given: &str| {
            let operator = Operator::new().settings(format!("{name} = \"{file}\"\n"));
            let loaded = operator.variable(&format!("FTP_{}", name.to_uppercase()), given).load(&[]);
            loaded.warnings.into_iter().filter(|warning| warning.contains("opens what")).collect::<Vec<_>>()
        };
        let warnings = told(closed, open);
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        let place = format!("FTP_{}: found ", name.to_uppercase());
        assert!(warnings[0].starts_with(&place) && warnings[0].contains("conf/settings.toml"), "{warnings:?}");
        assert_eq!(told(open, closed), Vec::<String>::new(), "{name}");
        assert_eq!(told(closed, closed), Vec::<String>::new(), "{name}");
    }
    let unsaid = Operator::new().settings("max_cons = 5\n").variable("FTP_ENABLE_ANONYMOUS", "on").load(&[]);
    assert!(!unsaid.warnings.iter().any(|warning| warning.contains("opens what")), "{:?}", unsaid.warnings);
}
