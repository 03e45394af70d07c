//! Names are bytes: what was stored under one is found under it.

use super::*;
use crate::path::has_control;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn random_names(count: usize) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    while names.len() < count {
        let mut bytes = [0; 256];
        getrandom::fill(&mut bytes).unwrap();
        let length = usize::from(bytes[0]).max(1);
        let name = bytes[1..=length].iter().map(|byte| if b"\0\r\n/".contains(byte) { 0xFF } else { *byte });
        names.insert(name.collect::<Vec<u8>>());
    }
    names
        .into_iter()
        .filter(|name| name != b"." && name != b"..")
        .chain([
            b" ".to_vec(),
            b"  two  blanks  ".to_vec(),
            b"-la".to_vec(),
            b"--".to_vec(),
            b"a;b=c".to_vec(),
            b"\"quoted\"".to_vec(),
            b"back\\slash".to_vec(),
            b"*?[x]".to_vec(),
            b"...".to_vec(),
            b".hidden".to_vec(),
            b"\x1b[2J".to_vec(),
            "e\u{301}".into(),
            "\u{e9}".into(),
        ])
        .collect()
}

/// F35, F36: bytes in, the same bytes out.
#[test]
fn any_name_makes_the_round_trip() {
    let ground = Ground::new();
    let home = &ground.home;
    let names = random_names(1000);
    assert!(names.len() >= 1000);
    for name in &names {
        if has_control(name) {
            // No client makes such a name, but it may be there.
            assert!(matches!(home.store(&path(name), Placement::Replace), Err(FileError::ControlByte)));
            fs::write(ground.at("").join(OsStr::from_bytes(name)), name).unwrap();
        } else {
            finish(home.store(&path(name), Placement::Replace).unwrap(), name).unwrap();
        }
    }
    let on_disk: BTreeSet<_> = fs::read_dir(ground.at("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(on_disk, names.iter().map(|name| OsStr::from_bytes(name).to_owned()).collect());
    assert_eq!(listed(home, &VirtualPath::root()).unwrap().into_iter().collect::<BTreeSet<_>>(), names);
    for name in &names {
        assert_eq!(&fetch(home, &path(name), 0).unwrap(), name);
        home.delete(&path(name)).unwrap();
    }
    assert_eq!(listed(home, &VirtualPath::root()).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn no_name_with_a_control_byte_is_made() {
    let ground = Ground::new();
    let home = &ground.home;
    fs::write(ground.at("there"), "x").unwrap();
    for byte in (1..0x20).chain([0x7F]).filter(|byte| !b"\r\n".contains(byte)) {
        let name = path([b'a', byte]);
        let refused = |made: Result<(), FileError>| assert!(matches!(made, Err(FileError::ControlByte)), "{byte:#x}");
        refused(home.make_directory(&name));
        refused(home.rename(&path("there"), &name));
        refused(home.store_unique(&name).map(drop));
        for placement in [Placement::Replace, Placement::Append, Placement::At(0)] {
            refused(home.store(&name, placement).map(drop));
        }
    }
    // The controls of ISO 6429, which are two bytes each in UTF-8.
    for control in '\u{80}'..='\u{9f}' {
        let refused = home.make_directory(&path(format!("a{control}").as_bytes()));
        assert!(matches!(refused, Err(FileError::ControlByte)), "{control:?}");
    }
    assert_eq!(listed(home, &VirtualPath::root()).unwrap(), [b"there"]);
    // As single bytes they are letters of GBK and others, and so are the second bytes of letters in UTF-8.
    for letters in [&b"\x81\x40"[..], b"\x93quoted\x94", "\u{e9}\u{db}\u{202e}".as_bytes()] {
        home.make_directory(&path(letters)).unwrap();
    }
}

/// F34: up to the limit of the disk.
#[test]
fn names_of_255_bytes_work_everywhere() {
    let ground = Ground::new();
    let home = &ground.home;
    let [first, second, third] = ["a", "b", "c"].map(|letter| path(letter.repeat(255)));
    finish(home.store(&first, Placement::Replace).unwrap(), b"long").unwrap();
    home.rename(&first, &second).unwrap();
    home.make_directory(&third).unwrap();
    home.change_directory(&third).unwrap();
    assert_eq!(fetch(home, &second, 0).unwrap(), b"long");
    let unique = home.store_unique(&second).unwrap();
    assert_eq!(unique.path().file_name().unwrap().len(), 255);
    drop(unique);
    assert_eq!(listed(home, &VirtualPath::root()).unwrap().len(), 2);
    home.delete(&second).unwrap();
    home.remove_directory(&third).unwrap();
    assert!(VirtualPath::root().join(&[b'a'; 256]).is_err());
}

#[test]
fn unique_names_keep_characters_whole() {
    let ground = Ground::new();
    for (prefix, kept) in [("é".repeat(127), 246), ("xé".repeat(85), 246), ("€".repeat(85), 246), ("abc".into(), 3)]
    {
        let pending = ground.home.store_unique(&path(&prefix)).unwrap();
        let name = std::str::from_utf8(pending.path().file_name().unwrap()).unwrap().to_owned();
        assert_eq!(name.len(), kept + 9, "{name}");
        assert!(prefix.starts_with(&name[..kept]));
    }
}

/// F33: no recursion, no limit but that of a path.
#[test]
fn deep_trees() {
    let ground = Ground::new();
    let mut deep = VirtualPath::root();
    for _ in 0..1000 {
        deep = deep.join(b"d").unwrap();
        ground.home.make_directory(&deep).unwrap();
    }
    ground.home.change_directory(&deep).unwrap();
    finish(ground.home.store(&deep.join(b"leaf").unwrap(), Placement::Replace).unwrap(), b"deep").unwrap();
    assert_eq!(fetch(&ground.home, &deep.join(b"leaf").unwrap(), 0).unwrap(), b"deep");
    ground.home.delete(&deep.join(b"leaf").unwrap()).unwrap();
    while !deep.is_root() {
        ground.home.remove_directory(&deep).unwrap();
        deep = deep.parent();
    }
}
