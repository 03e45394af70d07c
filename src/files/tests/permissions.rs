//! Each operation needs its letters and no others, and without them looks at nothing.

use super::*;

const LETTERS: &str = "elradfmwMT";

/// A file that each operation of the tables can work on, or a directory, or no name at all.
const NEEDS: [(&str, &str, &str); 17] = [
    ("change_directory", "directory", "e"),
    ("facts", "file", "l"),
    ("list", "directory", "l"),
    ("retrieve", "file", "r"),
    ("digest", "file", "r"),
    ("free_space", "directory", ""),
    ("store", "file", "w"),
    ("restart", "file", "aw"),
    ("append", "file", "a"),
    ("store_unique", "file", "w"),
    ("set_mode", "file", "M"),
    ("set_modified", "file", "T"),
    ("make_directory", "new", "m"),
    ("rename", "file", "f"),
    ("rename_onto", "new", "f"),
    ("delete", "file", "d"),
    ("remove_directory", "directory", "d"),
];

fn run(operation: &str, on: &str, letters: &str) -> Result<(), FileError> {
    let ground = Ground::new();
    ground.file("file", "content");
    ground.file("source", "content");
    ground.directory("directory");
    let home = ground.seen_with(letters.parse().unwrap());
    let (_, run) = READING.into_iter().chain(CHANGING).find(|(name, _)| *name == operation).unwrap();
    run(&home, &path(on))
}

#[test]
fn the_table_covers_every_operation() {
    assert_eq!(NEEDS.len(), READING.len() + CHANGING.len());
}

#[test]
fn the_letters_needed_are_enough() {
    for (operation, on, needed) in NEEDS {
        run(operation, on, needed).unwrap_or_else(|error| panic!("{operation} with {needed:?}: {error}"));
    }
}

/// T52: the gate of each operation.
#[test]
fn each_letter_needed_is_missed_and_no_other() {
    for (operation, on, needed) in NEEDS {
        for letter in LETTERS.chars() {
            let without: String = LETTERS.chars().filter(|other| *other != letter).collect();
            let missed = matches!(run(operation, on, &without), Err(FileError::MissingPermission));
            assert_eq!(missed, needed.contains(letter), "{operation} without {letter}");
        }
    }
}

#[test]
fn without_its_letter_nothing_is_looked_up() {
    for (operation, _, needed) in NEEDS {
        if !needed.is_empty() {
            for on in ["missing", "missing/deep", "/"] {
                let result = run(operation, on, "");
                assert!(matches!(result, Err(FileError::MissingPermission)), "{operation} of {on}: {result:?}");
            }
        }
    }
    let ground = Ground::with("");
    assert!(matches!(ground.home.rename_source_exists(&path("x")), Err(FileError::MissingPermission)));
}

/// Restarting at 0 is storing, whatever the command that said so.
#[test]
fn a_restart_at_the_beginning_is_no_append() {
    let ground = Ground::with("w");
    ground.file("file", "content");
    ground.upload("file", Placement::At(0), b"new").unwrap();
    assert_eq!(ground.content("file"), b"new");
}
