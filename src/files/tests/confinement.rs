//! No string that a client can send leads out of the home (CVE-2024-28995, CVE-2026-30914 and their like).

use super::*;

/// Where the canary is from the home, in as many dialects as attackers speak. `OUT` stands for the real path outside.
const HOSTILE: &[&str] = &[
    "../outside/canary",
    "../../outside/canary",
    "../../../../../../../../../../../../etc/passwd",
    "/../outside/canary",
    "/../../outside/canary",
    "//../outside/canary",
    "/./../outside/canary",
    "./../outside/canary",
    "./.././outside/./canary",
    "directory/../../outside/canary",
    "directory/../../../outside/canary",
    "/directory/../../outside/canary",
    "directory/./../../outside/canary",
    "directory//..//..//outside//canary",
    "missing/../../outside/canary",
    "missing/../../../outside/canary",
    "file/../../outside/canary",
    "..//outside//canary",
    "..///..///outside/canary",
    "../outside/canary/",
    "../outside/canary/.",
    "../outside/directory/../canary",
    "../outside",
    "../outside/",
    "../outside/directory",
    "OUT/canary",
    "/OUT/canary",
    "//OUT/canary",
    "///OUT/canary",
    "directory/OUT/canary",
    "/etc/passwd",
    "//etc/passwd",
    "///etc///passwd",
    "etc/passwd",
    "/proc/self/root/etc/passwd",
    "proc/self/cwd",
    "/proc/self/environ",
    "/dev/zero",
    "/dev/fd/0",
    "..\\outside\\canary",
    "..\\..\\outside\\canary",
    "\\..\\outside\\canary",
    "..\\/outside/canary",
    "../\\outside/canary",
    "C:\\windows\\win.ini",
    "C:../outside/canary",
    "file:///etc/passwd",
    "%2e%2e/outside/canary",
    "%2e%2e%2foutside%2fcanary",
    "..%2foutside%2fcanary",
    "..%252foutside%252fcanary",
    "%2e%2e%5coutside",
    "..%c0%afoutside/canary",
    "..%00/outside/canary",
    "....//outside/canary",
    "....//....//outside/canary",
    "..../outside/canary",
    ".../outside/canary",
    "..;/outside/canary",
    ".. /outside/canary",
    " ../outside/canary",
    ".%20./outside/canary",
    "~/../outside/canary",
    "~root/.profile",
    "~",
    "$HOME/../outside/canary",
    "`pwd`/../outside/canary",
    "|cat /etc/passwd",
    "*/../../outside/canary",
    "-la ../outside/canary",
    "\u{2024}\u{2024}/outside/canary",
    "\u{ff0e}\u{ff0e}/outside/canary",
    "..\u{2215}outside\u{2215}canary",
    "..\u{202e}/outside/canary",
];

/// The same in bytes that are no text: overlong UTF-8, Latin-1, halves of characters.
const HOSTILE_BYTES: &[&[u8]] = &[
    b"\xc0\xae\xc0\xae/outside/canary",
    b"..\xc0\xafoutside\xc0\xafcanary",
    b"\xe0\x80\xae\xe0\x80\xae/outside/canary",
    b"\xf0\x80\x80\xae./outside/canary",
    b"..\xff/outside/canary",
    b"\xff../outside/canary",
    b"..\x01/outside/canary",
    b"..\x7f/outside/canary",
    b"..\x1b[2J/outside/canary",
    b"..\t/outside/canary",
];

fn hostile(ground: &Ground) -> Vec<Vec<u8>> {
    let out = ground.outside();
    let real = out.to_str().unwrap().trim_start_matches('/');
    let mut all: Vec<Vec<u8>> = HOSTILE.iter().map(|text| text.replace("OUT", real).into_bytes()).collect();
    all.extend(HOSTILE_BYTES.iter().map(|bytes| bytes.to_vec()));
    all.push("../".repeat(300).into_bytes());
    all.last_mut().unwrap().extend_from_slice(b"outside/canary");
    all.push("d/../".repeat(300).into_bytes());
    all.last_mut().unwrap().extend_from_slice(b"../outside/canary");
    assert!(all.len() >= 80);
    all
}

fn ground() -> Ground {
    let ground = Ground::new();
    ground.directory("directory");
    ground.file("file", "mine");
    ground
}

/// T46: by no operation.
#[test]
fn nothing_outside_can_be_read() {
    let ground = ground();
    for name in hostile(&ground) {
        for from in ["/", "/directory", "/missing/deep"] {
            let Ok(path) = path(from).join(&name) else { continue };
            for (operation, run) in READING {
                assert!(run(&ground.home, &path).is_err(), "{operation} of {path} worked");
            }
        }
    }
    assert_eq!(
        fetch(&ground.home, &path("/directory/../../file"), 0).unwrap(),
        b"mine",
        "up from the home is the home"
    );
}

/// T46: nor that.
#[test]
fn nothing_outside_can_be_changed() {
    // Only what names this test's own files: a broken jail may not harm the machine that tests it.
    let ground = ground();
    let before = ground.outside_as_it_is();
    let around = fs::read_dir(ground.below.path()).unwrap().count();
    let mut refused = 0;
    for name in hostile(&ground).into_iter().filter(|name| name.windows(7).any(|part| part == b"outside")) {
        for from in ["/", "/directory"] {
            let Ok(path) = path(from).join(&name) else { continue };
            for (_, run) in CHANGING {
                ground.file("source", "source");
                refused += usize::from(run(&ground.home, &path).is_err());
            }
        }
    }
    assert!(refused > 500, "{refused}");
    assert_eq!(ground.outside_as_it_is(), before);
    assert_eq!(fs::read_dir(ground.below.path()).unwrap().count(), around);
}

#[test]
fn names_that_would_forge_lines_are_no_paths() {
    for name in [&b"a\r\n226 done"[..], b"a\nb", b"a\rb", b"a\0b", b"../outside/canary\0.txt"] {
        assert!(VirtualPath::root().join(name).is_err(), "{name:?}");
    }
}

#[test]
fn the_home_itself_stays() {
    let ground = ground();
    let home = &ground.home;
    let root = VirtualPath::root();
    for result in [
        home.delete(&root),
        home.remove_directory(&root),
        home.rename(&root, &path("elsewhere")),
        home.rename(&path("directory"), &root),
        home.rename_source_exists(&root),
        home.set_mode(&root, 0),
    ] {
        assert!(matches!(result, Err(FileError::RootItself)), "{result:?}");
    }
    assert!(matches!(home.make_directory(&root), Err(FileError::AlreadyExists)));
    assert!(matches!(home.retrieve(&root, 0), Err(FileError::IsADirectory)));
    assert!(matches!(home.store(&root, Placement::Replace), Err(FileError::IsADirectory)));
    home.change_directory(&root).unwrap();
    assert_eq!(listed(home, &root).unwrap(), [b"directory".to_vec(), b"file".to_vec()]);
}
