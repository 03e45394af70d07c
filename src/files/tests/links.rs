//! Links work inside the home and lead nowhere else (CVE-2017-7418).

use super::*;
use crate::listing::Kind;

/// Links to `directory` outside, or through it, by every road. `OUT` and `HOME` stand for real paths.
const ESCAPING: [(&str, &str); 9] = [
    ("absolute", "OUT/directory"),
    ("relative", "../outside/directory"),
    ("deep", "inside/../../outside/directory"),
    ("chained", "relative"),
    ("up", ".."),
    ("machine", "/"),
    ("process", "/proc/self/root"),
    ("out_and_back", "../home/inside"),
    ("absolute_inside", "HOME/inside"),
];

fn ground() -> Ground {
    let ground = Ground::new();
    ground.directory("inside");
    ground.file("inside/file", "mine");
    ground.file("source", "source");
    for (name, target) in ESCAPING {
        let (out, home) = (ground.outside(), ground.at(""));
        let target = target.replace("OUT", out.to_str().unwrap());
        ground.link(name, target.replace("HOME", home.to_str().unwrap().trim_end_matches('/')));
    }
    ground
}

/// T47: by every operation.
#[test]
fn links_that_lead_out_are_refused() {
    let ground = ground();
    let before = ground.outside_as_it_is();
    for (name, _) in ESCAPING {
        for beneath in ["", "/canary", "/file", "/outside/canary", "/new"] {
            let path = path(format!("{name}{beneath}"));
            // A broken jail may not harm the machine that tests it.
            let changing = if matches!(name, "machine" | "process") { &[][..] } else { &CHANGING };
            for (operation, run) in READING.iter().chain(changing) {
                let on_the_name = matches!(
                    *operation,
                    "rename" | "rename_onto" | "delete" | "remove_directory" | "make_directory" | "store_unique"
                );
                if beneath.is_empty() && on_the_name {
                    continue;
                }
                let result = run(&ground.home, &path);
                assert!(matches!(result, Err(FileError::OutsideHome)), "{operation} of {path}: {result:?}");
            }
        }
    }
    assert_eq!(ground.outside_as_it_is(), before);
}

#[test]
fn what_removes_or_renames_acts_on_the_link() {
    let ground = ground();
    let before = ground.outside_as_it_is();
    let home = &ground.home;
    for (link, target) in
        [("gone", "inside"), ("gone", "source"), ("gone", "missing"), ("gone", "../outside/directory")]
    {
        ground.link(link, target);
        home.remove_directory(&path(link)).unwrap();
        assert!(fs::symlink_metadata(ground.at(link)).is_err(), "{target}");
        ground.link(link, target);
        home.delete(&path(link)).unwrap();
        assert!(fs::symlink_metadata(ground.at(link)).is_err(), "{target}");
    }
    assert_eq!((ground.content("inside/file"), ground.content("source")), (b"mine".to_vec(), b"source".to_vec()));
    assert!(matches!(home.remove_directory(&path("source")), Err(FileError::NotADirectory)));
    assert!(matches!(home.make_directory(&path("relative")), Err(FileError::AlreadyExists)));
    home.rename_source_exists(&path("relative")).unwrap();
    home.rename(&path("relative"), &path("renamed")).unwrap();
    assert_eq!(fs::read_link(ground.at("renamed")).unwrap(), Path::new("../outside/directory"));
    home.rename(&path("source"), &path("renamed")).unwrap();
    assert_eq!(ground.content("renamed"), b"source");
    home.delete(&path("absolute")).unwrap();
    assert!(!fs::exists(ground.at("absolute")).unwrap() && fs::read_link(ground.at("absolute")).is_err());
    assert_eq!(ground.outside_as_it_is(), before);
}

/// T47: and these still do.
#[test]
fn links_inside_work() {
    let ground = ground();
    ground.link("to_directory", "inside");
    ground.link("to_file", "./inside/file");
    ground.link("inside/up_and_down", "../inside/../to_file");
    let home = &ground.home;
    home.change_directory(&path("to_directory")).unwrap();
    assert_eq!(listed(home, &path("to_directory")).unwrap(), [b"file".to_vec(), b"up_and_down".to_vec()]);
    for name in ["to_file", "to_directory/file", "to_directory/up_and_down"] {
        assert_eq!(fetch(home, &path(name), 0).unwrap(), b"mine", "{name}");
        assert_eq!(home.facts(&path(name)).unwrap().kind, Kind::File, "{name}");
    }
    ground.upload("to_file", Placement::Append, b" and yours").unwrap();
    ground.upload("to_directory/new", Placement::Replace, b"new").unwrap();
    home.set_mode(&path("to_file"), 0o640).unwrap();
    assert_eq!(ground.content("inside/file"), b"mine and yours");
    assert_eq!(ground.content("inside/new"), b"new");
    assert_eq!(fs::metadata(ground.at("inside/file")).unwrap().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(ground.at("to_file")).unwrap().is_symlink());
}

#[test]
fn links_that_lead_nowhere() {
    let ground = ground();
    ground.link("dangling", "missing");
    ground.link("self", "self");
    ground.link("there", "back");
    ground.link("back", "there");
    for name in ["self", "there", "back"] {
        for (operation, run) in READING {
            let result = run(&ground.home, &path(name));
            assert!(matches!(result, Err(FileError::LinkLoop)), "{operation} of {name}: {result:?}");
        }
        assert!(matches!(ground.upload(name, Placement::Replace, b""), Err(FileError::LinkLoop)));
    }
    for (operation, run) in READING {
        let result = run(&ground.home, &path("dangling"));
        assert!(matches!(result, Err(FileError::NotFound)), "{operation}: {result:?}");
    }
    ground.upload("dangling", Placement::Replace, b"made").unwrap();
    assert_eq!(ground.content("missing"), b"made");
}
