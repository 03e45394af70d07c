//! `completions` and `man`, by the programs that they are for; and colours, on a terminal only.

use std::process::Command;

use longshore::settings::FIELDS;

use crate::binary::{PROGRAM, Setup};

/// What it prints.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    // A setting that is wrong does not matter here.
    let output = Setup::empty().variable("FTP_PORT", "none").arguments(arguments).run();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers after these words, once it has read the script.
fn offered(setup: &Setup, words: &str) -> Vec<String> {
    // As bash does it when Tab is pressed: the function that was registered, with the words in its variables.
    const TAB: &str = r#"
        source "$0"
        function=$(complete -p longshore | grep -o -e '-F [^ ]*')
        COMP_WORDS=(longshore "$@") COMP_CWORD=$# COMP_LINE="longshore $*" COMP_POINT=${#COMP_LINE}
        "${function#-F }" longshore "${@: -1}" "${COMP_WORDS[-2]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("/bin/bash");
    bash.args(["--norc", "--noprofile", "-c", TAB]).arg(setup.path("completion")).args(words.split(' '));
    let output = bash.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_and_commands() {
    let setup = Setup::empty().file("completion", &printed(&["completions", "bash"]));
    assert_eq!(offered(&setup, "--max-c"), ["--max-cons"]);
    assert_eq!(offered(&setup, "check --max-c"), ["--max-cons"]);
    assert_eq!(offered(&setup, "health"), ["healthcheck"]);
    assert_eq!(offered(&setup, "ports --kub"), ["--kubernetes"]);
    assert_eq!(offered(&setup, "completions z"), ["zsh"]);
    let all = offered(&setup, "--");
    for field in FIELDS {
        assert!(all.contains(&format!("--{}", field.flag())), "{}: {all:?}", field.name);
    }
}

#[test]
fn there_is_a_script_for_each_shell_and_none_for_what_is_none() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("longshore") && script.contains("max-cons"), "{shell}: {script}");
    }
    for arguments in [&["completions"][..], &["completions", "csh"]] {
        let output = Setup::empty().arguments(arguments).run();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{output:?}");
    }
}

#[test]
fn the_manual_page_is_rendered_and_has_every_setting() {
    let setup = Setup::empty().file("longshore.1", &printed(&["man"]));
    let mut man = Command::new("/usr/bin/man");
    // With warnings, and on a line for each paragraph, so that no name is broken in two.
    man.args(["--warnings", "-l"]).arg(setup.path("longshore.1")).env("MANWIDTH", "10000").env("LC_ALL", "C.UTF-8");
    let output = man.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let page = String::from_utf8(output.stdout).unwrap();
    for field in FIELDS {
        let flag = format!("--{} <", field.flag());
        let mut lines =
            page.lines().skip_while(|line| !line.contains(&flag) && !line.contains(&flag.replace(" <", " [<")));
        assert!(lines.next().is_some(), "{flag}: {page}");
        let meaning = lines.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(meaning.starts_with(&field.meaning()), "{flag}: {meaning}");
    }
    for command in ["check", "healthcheck", "hash-password", "ports", "status", "kick", "reload", "completions", "man"]
    {
        assert!(page.contains(&format!("longshore-{command}(1)")), "{command}: {page}");
    }
}

/// What `check` says on a terminal, or where there is none.
fn checked(setup: Setup, on_a_terminal: bool) -> String {
    let setup = setup.variable("FTP_ENABLE_ANONYMOUS", "on").variable("TERM", "xterm");
    // The terminal is one that `script` makes.
    let line = format!("{PROGRAM} check --max-cons 7");
    let words = ["/usr/bin/script", "--quiet", "--return", "--command", &line, "/dev/null"];
    let words = if on_a_terminal { &words[..] } else { &[PROGRAM, "check", "--max-cons", "7"] };
    let output = setup.program(words).run();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn check_is_coloured_on_a_terminal_alone_and_not_where_nobody_wants_it() {
    let coloured = checked(Setup::new(), true);
    assert!(coloured.contains("\u{1b}[1mmax_cons = 7 "), "{coloured}");
    assert!(coloured.contains("\u{1b}[2m# --max-cons\u{1b}[0m"), "{coloured}");
    assert!(coloured.contains("warning:\u{1b}[0m conf/users.conf:1: plain password"), "{coloured}");
    let plain = checked(Setup::new(), false);
    let unwanted = checked(Setup::new().variable("NO_COLOR", "1"), true);
    for plain in [plain, unwanted] {
        assert!(plain.contains("\nmax_cons = 7 ") && plain.contains("warning: conf/users.conf:1:"), "{plain}");
        assert!(!plain.contains('\u{1b}'), "{plain}");
    }
}
