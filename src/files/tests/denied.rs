//! The same where `openat2` is denied, by an old kernel or by a sandbox that does not know it: names are then opened
//! step by step.

use nix::errno::Errno;
use std::process::Command;
use std::thread;

const WITHOUT_OPENAT2: &str = include_str!("../../../tests/it/threats/without_openat2.py");
const REPEATED: [&str; 7] = ["confinement", "links", "management", "names", "races", "replacing", "special"];

/// T49: what holds for T46, T47, T48 and T50 holds then too.
#[test]
fn all_holds_where_openat2_is_denied() {
    let repeated = [Errno::EPERM, Errno::ENOSYS].map(|denial| thread::spawn(move || repeat_all(denial)));
    repeated.into_iter().for_each(|thread| thread.join().unwrap());
}

fn repeat_all(denial: Errno) {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", WITHOUT_OPENAT2, &(denial as i32).to_string()]).arg(std::env::current_exe().unwrap());
    let said = python.args(REPEATED.map(|module| format!("files::tests::{module}::"))).output().unwrap();
    let told = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{denial}: {told}{}", String::from_utf8_lossy(&said.stderr));
    let passed = told.split(" passed").next().unwrap().rsplit(' ').next().unwrap();
    assert!(passed.parse::<u32>().unwrap() > 20, "{denial}: {told}");
}
