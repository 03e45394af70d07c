//! Panics go to the log, where all else is.

use std::panic::{PanicHookInfo, set_hook};

use super::events;

/// From now on the log tells where a panic was, in place of standard error. What it says is left out where it was made
/// up at run time: it may quote what a client sent, a password even.
pub fn log_panics() {
    set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&'static str>().copied();
    match panic.location() {
        Some(place) => events::panicked(place, message),
        None => events::panicked(&"unknown", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::log::tests::lines;
    use crate::settings::{LogFormat, LogLevel};
    use std::panic::{catch_unwind, set_hook, take_hook};

    /// T69: what is told of a panic. T23: which may have quoted a password.
    #[test]
    fn the_place_is_told_and_no_text_that_was_made_up_on_the_way() {
        let secret = "secret".to_owned();
        let log = || {
            let usual = take_hook();
            log_panics();
            assert!(catch_unwind(|| panic!("a bug")).is_err());
            assert!(catch_unwind(|| panic!("no password: {secret}")).is_err());
            set_hook(usual);
        };
        let lines = lines(LogLevel::Error, LogFormat::Text, log);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].contains(r#"ERROR panicked at="src/observe/panics.rs:"#), "{lines:#?}");
        assert!(lines[0].ends_with(r#"why="a bug""#), "{lines:#?}");
        assert!(!lines[1].contains("password") && !lines[1].contains("secret"), "{lines:#?}");
    }
}
