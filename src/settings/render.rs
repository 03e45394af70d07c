//! The settings as text: for the README, as conf/settings.toml, and as `longshore check` shows them.

use std::fmt::Write;

use anstream::adapter::strip_str;
use anstyle::Style;

use super::field::Field;
use super::load::{Loaded, Origin};
use super::table::FIELDS;
use super::value::Form;

/// The table of settings for the README, in Markdown.
#[must_use]
pub fn readme_table() -> String {
    let mut table = "| name | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for field in FIELDS {
        let default = if field.default.is_empty() { "empty".to_owned() } else { format!("`{}`", field.default) };
        let _ = writeln!(table, "| `{}` | {default} | {} |", field.name, field.meaning());
    }
    table
}

/// conf/settings.toml: every setting with its default, in a comment.
#[must_use]
pub fn settings_file() -> String {
    let mut file = "\
# Settings of longshore. Each is shown with its default; take away the # to change one.
# The variable FTP_MAX_CONS or the flag --max-cons means the same as max_cons, and overrides the file.
# Sizes: 300KiB, 300K, 300 * 1024. Durations: 5m, 300 (seconds), 1h30m. `longshore check` shows what is in force.
"
    .to_owned();
    for field in FIELDS {
        let _ = writeln!(file, "\n# {}\n#{} = {}", field.meaning(), field.name, toml_literal(field, field.default));
    }
    file
}

/// Every value and where it comes from, a line each. Without the stars of secrets it is a settings file again.
#[must_use]
pub fn render_check(loaded: &Loaded) -> String {
    strip_str(&render_check_in_colour(loaded)).to_string()
}

/// The same for a terminal: what somebody gave stands out, and where it comes from stands back.
#[must_use]
pub fn render_check_in_colour(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (field, value) in FIELDS.iter().zip(loaded.settings.texts()) {
        let setting = format!("{} = {}", field.name, toml_literal(field, &value));
        let Some(origin) = loaded.origins.get(field.name) else {
            let _ = writeln!(text, "{setting}");
            continue;
        };
        let style = if *origin == Origin::Default { Style::new() } else { Style::new().bold() };
        let _ = writeln!(text, "{style}{setting:<44}{style:#} {BEHIND}# {origin}{BEHIND:#}");
    }
    text
}

/// How comments look on a terminal.
pub const BEHIND: Style = Style::new().dimmed();

fn toml_literal(field: &Field, text: &str) -> String {
    match (field.form, text) {
        (Form::Switch, "on") => "true".to_owned(),
        (Form::Switch, "off") => "false".to_owned(),
        (Form::Number | Form::List, _) if text.parse::<i64>().is_ok() => text.to_owned(),
        _ => toml_string(text),
    }
}

/// A basic string of TOML, which also keeps a value that has several lines on one.
fn toml_string(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_shipped_file_is_this_rendering() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shipped = std::fs::read_to_string(root.join("conf/settings.toml")).unwrap_or_default();
        if shipped != settings_file() {
            std::fs::create_dir_all(root.join("target")).unwrap();
            std::fs::write(root.join("target/settings.toml"), settings_file()).unwrap();
            panic!("conf/settings.toml is stale, mend it by: cp target/settings.toml conf/settings.toml");
        }
    }

    #[test]
    fn the_readme_table_has_a_row_for_each() {
        let table = readme_table();
        assert_eq!(table.lines().count(), FIELDS.len() + 2);
        assert!(table.contains("| `max_cons` | `512` | Control sessions in all; 0 is no limit. |"));
        assert!(table.lines().all(|row| row.matches('|').count() == 4));
    }

    #[test]
    fn strings_are_toml() {
        assert_eq!(toml_string("a \"b\"\\\n\u{7}é"), "\"a \\\"b\\\"\\\\\\n\\u0007é\"");
    }
}
