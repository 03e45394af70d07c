//! Paths: never above the root, and the same whichever way they are said.

use std::path::{Component, Path};

use longshore::path::{BadName, MAX_COMPONENT, MAX_PATH, VirtualPath};

/// Names, one a line, each said from where the one before led.
pub(super) fn run(input: &[u8]) {
    let forbidden = input.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    assert_eq!(VirtualPath::root().join(input) == Err(BadName::ForbiddenByte), forbidden);

    let mut here = VirtualPath::root();
    for name in input.split(|&byte| byte == b'\n').take(64) {
        let expected = by_definition(&here, name);
        match here.join(name) {
            Ok(path) => {
                assert_eq!(Some(path.as_bytes().to_vec()), expected);
                check(&path);
                here = path;
            }
            Err(_) => assert_eq!(expected, None),
        }
    }
}

/// The path as a stack of components.
fn by_definition(from: &VirtualPath, name: &[u8]) -> Option<Vec<u8>> {
    if name.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return None;
    }
    let start = if name.starts_with(b"/") { &b"/"[..] } else { from.as_bytes() };
    let mut stack: Vec<&[u8]> = Vec::new();
    for component in start.split(|&byte| byte == b'/').chain(name.split(|&byte| byte == b'/')) {
        match component {
            b"" | b"." => {}
            b".." => drop(stack.pop()),
            _ if component.len() > MAX_COMPONENT => return None,
            _ if component.to_ascii_lowercase().starts_with(b".longshore-") => return None,
            _ => stack.push(component),
        }
    }
    let path = [b"/", stack.join(&b'/').as_slice()].concat();
    (path.len() <= MAX_PATH).then_some(path)
}

fn check(path: &VirtualPath) {
    let root = VirtualPath::root();
    assert_eq!(root.join(path.as_bytes()).as_ref(), Ok(path), "a clean path stays what it is");
    assert_eq!(path.join(b""), Ok(path.clone()));
    assert_eq!(path.join(b"x/../."), Ok(path.clone()));
    assert_eq!(path.is_root(), path.file_name().is_none());
    if let Some(name) = path.file_name() {
        assert_eq!(path.parent().join(name).as_ref(), Ok(path));
    }
    let beneath: &Path = path.beneath_home();
    let inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    assert!(beneath.components().all(inside), "{beneath:?} leads out");
    assert!(!path.to_string().chars().any(char::is_control), "control bytes in the log");
}
