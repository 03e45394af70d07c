//! Every way in which a home can hold a file: the paths need not look alike.

use std::fs::{create_dir, create_dir_all};
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::{Ground, Kind, Trial, expect};
use crate::binary::Setup;
use crate::process::identity::needs_root;

/// One way: what is prepared, where the file is put, how the setting calls it, and the home, with `@` for the folder.
struct Way {
    name: &'static str,
    prepare: fn(&Ground),
    put: &'static str,
    file: &'static str,
    home: &'static str,
    refused: bool,
}

fn nothing(_: &Ground) {}

fn bind(ground: &Ground, from: &str, to: &str) {
    create_dir_all(ground.path(to)).unwrap();
    mount(Some(&ground.path(from)), &ground.path(to), None::<&Path>, MsFlags::MS_BIND, None::<&Path>).unwrap();
}

#[rustfmt::skip]
const WAYS: [Way; 21] = [
    Way { name: "elsewhere", prepare: nothing, put: "rule/file", file: "@/rule/file", home: "@/home", refused: false },
    Way { name: "beside, with the same beginning", prepare: |ground| create_dir(ground.path("home2")).unwrap(),
          put: "home2/file", file: "@/home2/file", home: "@/home", refused: false },
    Way { name: "above the home", prepare: nothing, put: "home/file", file: "@/home/file", home: "@/home/in", refused: false },
    Way { name: "below a name of the server's own",
          prepare: |ground| create_dir_all(ground.path("home/in/.longshore-rule/x")).unwrap(),
          put: "home/in/.longshore-rule/x/file", file: "@/home/in/.longshore-rule/x/file", home: "@/home", refused: false },
    Way { name: "in it", prepare: nothing, put: "home/file", file: "@/home/file", home: "@/home", refused: true },
    Way { name: "below it", prepare: nothing, put: "home/in/file", file: "@/home/in/file", home: "@/home", refused: true },
    Way { name: "far below it", prepare: nothing, put: "home/in/file", file: "@/home/in/file", home: "/", refused: true },
    Way { name: "relative", prepare: nothing, put: "home/in/file", file: "home/in/file", home: "home", refused: true },
    Way { name: "a home by a link", prepare: |ground| symlink("home/in", ground.path("bob")).unwrap(),
          put: "home/in/file", file: "@/home/in/file", home: "bob", refused: true },
    Way { name: "a home by ..", prepare: nothing, put: "home/in/file", file: "@/home/in/file", home: "./home", refused: true },
    Way { name: "a file by ..", prepare: nothing, put: "home/in/file", file: "@/rule/../home/in/file", home: "@/home", refused: true },
    Way { name: "by way of the home and out again", prepare: nothing, put: "rule/file", file: "@/home/in/../../rule/file",
          home: "@/home", refused: true },
    Way { name: "a link to it", prepare: |ground| symlink("../home/in/file", ground.path("rule/link")).unwrap(),
          put: "home/in/file", file: "@/rule/link", home: "@/home", refused: true },
    Way { name: "a directory by a link", prepare: |ground| symlink("../home/in", ground.path("rule/link")).unwrap(),
          put: "home/in/file", file: "@/rule/link/file", home: "@/home", refused: true },
    Way { name: "a link in the home", prepare: |ground| symlink("../../rule/file", ground.path("home/in/link")).unwrap(),
          put: "rule/file", file: "@/home/in/link", home: "@/home", refused: true },
    Way { name: "links by way of the home",
          prepare: |ground| {
              symlink("../home/in/link", ground.path("rule/first")).unwrap();
              symlink("../../rule/file", ground.path("home/in/link")).unwrap();
          },
          put: "rule/file", file: "@/rule/first", home: "@/home", refused: true },
    Way { name: "the home mounted again", prepare: |ground| bind(ground, "home", "again"),
          put: "home/in/file", file: "@/home/in/file", home: "@/again", refused: true },
    Way { name: "its directory mounted again", prepare: |ground| bind(ground, "home/in", "again"),
          put: "home/in/file", file: "@/again/file", home: "@/home", refused: true },
    Way { name: "its directory mounted in the home", prepare: |ground| bind(ground, "rule", "home/in/again"),
          put: "rule/file", file: "@/rule/file", home: "@/home", refused: true },
    Way { name: "a directory above mounted in the home, by way of a third mount",
          prepare: |ground| {
              create_dir(ground.path("rule/deep")).unwrap();
              bind(ground, "rule", "home/in/again");
              bind(ground, "rule/deep", "third");
          },
          put: "rule/deep/file", file: "@/third/file", home: "@/home", refused: true },
    Way { name: "capital letters, where they are the same",
          prepare: |ground| {
              create_dir(ground.path("folded")).unwrap();
              let options = Some("casefold");
              mount(Some("tmpfs"), &ground.path("folded"), Some("tmpfs"), MsFlags::empty(), options).unwrap();
              create_dir(ground.path("folded/homes")).unwrap();
              let made = std::process::Command::new("chattr").arg("+F").arg(ground.path("folded/homes")).status();
              assert!(made.unwrap().success());
              create_dir(ground.path("folded/homes/bob")).unwrap();
          },
          put: "folded/homes/bob/file", file: "@/folded/homes/bob/file", home: "@/folded/homes/BOB", refused: true },
];

/// In a mount namespace of its own, where what is mounted is gone with the thread.
pub(super) fn with_mounts(deed: impl FnOnce() + Send) {
    needs_root();
    let there = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing = None::<&Path>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        deed();
    };
    let done = std::thread::scope(|scope| scope.spawn(there).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn a_home_that_holds_a_file_is_found_whatever_the_paths_look_like() {
    for way in &WAYS {
        if way.name.starts_with("capital") && !folds_case() {
            eprintln!("not tried, as this kernel has no tmpfs that folds case: {}", way.name);
            continue;
        }
        with_mounts(|| {
            let mut ground = Ground::new();
            (way.prepare)(&ground);
            let folder = ground.text("");
            let named = |text: &str| text.replace("@/", &format!("{}/", folder.trim_end_matches('/')));
            let (file, home) = (named(way.file), named(way.home));
            // Found by what it is, or what its words name; read, or written by the server. `letters` has all kinds.
            for kind in [Kind::Users, Kind::ScriptOfAShell, Kind::TransferLog] {
                ground.put(kind, &ground.path(way.put), &format!("bob secret elradfmwMT {home}\n"));
                let trial = Trial { kind, file: &file, home: &home, letters: "elradfmwMT" };
                // Commands are absolute.
                let relative = !file.starts_with('/') && kind == Kind::ScriptOfAShell;
                if relative {
                    continue;
                }
                let (back, output) = ground.check(&trial);
                ground = back;
                expect(&output, way.refused, &trial, home.trim_start_matches("./"), way.name);
                std::fs::remove_file(ground.path(way.put)).ok();
            }
        });
    }
}

fn folds_case() -> bool {
    let mut folds = false;
    with_mounts(|| {
        let folder = tempfile::tempdir().unwrap();
        folds = mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some("casefold")).is_ok();
        if folds {
            nix::mount::umount(folder.path()).unwrap();
        }
    });
    folds
}

/// A home that will be made at the first log-in, and a file that will be made in it.
#[test]
fn a_home_that_is_not_there_yet_is_asked_the_same() {
    for (file, home, refused) in [
        ("@/new/file", "@/new", true),
        ("@/new/a/b/file", "@/new/a", true),
        ("@/new/file", "@/NEW", true),
        ("@/home/new/file", "@/home/new", true),
        ("@/home/new/file", "@/home", true),
        ("@/rule/link/file", "@/home/new", true),
        ("@/new/file", "@/new/a", false),
        ("@/new/file", "@/newer", false),
        ("@/rule/new/file", "@/home/new", false),
        ("@/new/.longshore-x/file", "@/new", false),
    ] {
        let mut ground = Ground::new();
        symlink("../home/new", ground.path("rule/link")).unwrap();
        let folder = ground.text("");
        let [file, home] = [file, home].map(|text| text.replace("@/", &format!("{}/", folder.trim_end_matches('/'))));
        for kind in Kind::ALL.into_iter().filter(|kind| kind.may_be_missing()) {
            let trial = Trial { kind, file: &file, home: &home, letters: "elradfmwMT" };
            let (back, output) = ground.check(&trial);
            ground = back;
            expect(&output, refused, &trial, &home, "not there yet");
        }
    }
}

/// A settings file that nobody named lies where clients write, and says that their home is another one.
#[test]
fn a_settings_file_does_not_move_the_homes_away_from_itself() {
    for (name, variables) in [
        ("ann", &[("FTP_USER", "ann"), ("FTP_PASS", "secret")][..]),
        ("anonymous", &[("FTP_ENABLE_ANONYMOUS", "on"), ("FTP_ANONYMOUS_PERM", "elw")]),
        ("bob", &[("FTP_USERS", "bob secret elw bob")]),
    ] {
        with_mounts(|| {
            let elsewhere = tempfile::tempdir().unwrap();
            let text = format!("home_root = \"{0}\"\nanonymous_path = \"{0}\"\n", elsewhere.path().display());
            let setup = Setup::empty().file("conf/settings.toml", &text);
            let setup = variables.iter().fold(setup, |setup, (name, value)| setup.variable(name, value));
            // The folder that it is started in is the home by the settings' defaults.
            create_dir_all("/srv").unwrap();
            mount(Some("tmpfs"), "/srv", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            let home = Path::new("/srv/ftp").join(name);
            create_dir_all(&home).unwrap();
            mount(Some(&setup.path("")), &home, None::<&Path>, MsFlags::MS_BIND, None::<&Path>).unwrap();
            let output = setup.run_with_arguments(&["check"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            let want = format!("conf/settings.toml, which clients at home in {} (`{name}`) can ", home.display());
            assert!(said.contains(&want), "{name}: {said}");
            // Named, it is the operator's.
            let output = setup.variable("FTP_CONFIG", "conf/settings.toml").run_with_arguments(&["check"]);
            assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        });
    }
}
