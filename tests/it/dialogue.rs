//! Plays the dialogues of `tests/dialogues/`: what is sent, what must come back. A bug report can be pasted in.
//!
//! A file holds dialogues by topic. Each begins with `=== title: what it protects`, then one step a line:
//!
//! | line | meaning |
//! | --- | --- |
//! | `# text` | a comment |
//! | `> text` | send the line, with CR LF; `\xNN`, `\r`, `\n`, `\t`, `\\` are escapes |
//! | `>> text` | send these bytes, with nothing added |
//! | `< text` | this line comes, `*` standing for anything within it |
//! | `fill N text` | send the text N times, with nothing added |
//! | `urgent text` | send the text, its last byte as TCP's urgent data |
//! | `half-close` | we say nothing more on the control connection, and still read |
//! | `set name value` | before the first line is sent: a setting |
//! | `users text` | before the first line is sent: a line of users.conf instead of the usual users |
//! | `file /user/path text` | a file exists, with this content |
//! | `dir /user/path`, `link /user/path target`, `fifo /user/path` | a directory, a symbolic link, a FIFO exists |
//! | `blob /user/path N` | a file of N zero bytes exists, or is cut or grown to that length |
//! | `age /user/path seconds` | the file was last modified at this time, from now on |
//! | `login user` | USER and PASS go through, and TYPE I |
//! | `pasv`, `epsv`, `port`, `eprt` | a data connection is arranged by this command |
//! | `open` | passive: the data connection is opened, before the command that uses it (else it is when needed) |
//! | `receive text` | this, and the end, comes on the data connection; `*` as above |
//! | `receive-lines` + lines of `\| text` | these lines come, in any order |
//! | `send text` | this, and the end, is sent on the data connection |
//! | `part text` | this is sent on the data connection, and it stays open |
//! | `take N` | N bytes come on the data connection |
//! | `moved N` | STAT is asked until it tells that N bytes have been transferred |
//! | `skip` | all the rest, and the end, comes on the data connection |
//! | `broken` | the data connection ends with an error, not in order |
//! | `hang-up` | the data connection is closed by us |
//! | `abandon` | the data connection is reset by us |
//! | `stranger` | somebody from another address connects to the passive port, and gets the end and no byte |
//! | `refused` | nobody listens any more on the first passive port of the dialogue |
//! | `content /user/path text` | the file has this content now |
//! | `missing /user/path` | there is no such file |
//! | `entries /user/path names` | the directory holds these names, in the order of their bytes, and no others |
//! | `modified /user/path seconds` | the file was last modified at this time |
//! | `mode /user/path octal` | the file has this mode |
//! | `connect` | a second control connection; the lines after it go there |
//! | `first` | back to the first control connection |
//! | `end` | the server closes the control connection |

mod data;
mod files;
mod player;
mod text;

use std::path::{Path, PathBuf};
use std::time::Duration;

use player::Player;

/// No answer takes this long; a dialogue that waits for more than it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let wanted = wanted_words();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let dialogues: Vec<Dialogue> = files.iter().flat_map(|file| parse(file)).collect();
    assert!(dialogues.len() >= 300, "only {} dialogues were found", dialogues.len());
    let chosen: Vec<&Dialogue> =
        dialogues.iter().filter(|it| wanted.iter().all(|word| it.name.contains(word))).collect();
    assert!(!chosen.is_empty(), "no title has all of {wanted:?}");
    let failures: Vec<String> = std::thread::scope(|scope| {
        // Two at a time is what a small machine carries; each has a server of its own.
        let halves = [0, 1].map(|half| {
            let part: Vec<&Dialogue> = chosen.iter().skip(half).step_by(2).copied().collect();
            scope.spawn(move || part.into_iter().filter_map(|it| play(it).err()).collect::<Vec<_>>())
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    println!("{} dialogues played", chosen.len());
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), chosen.len(), failures.join("\n"));
}

/// `DIALOGUES="words of a title" cargo test dialogues` plays only those whose title has all the words. The command line
/// will not do: its words choose among the tests, and a test that was chosen by another's name would play nothing.
#[expect(clippy::disallowed_methods, reason = "a choice of the developer's, not a setting")]
fn wanted_words() -> Vec<String> {
    std::env::var("DIALOGUES").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

struct Dialogue {
    name: String,
    steps: Vec<(usize, String)>,
}

fn parse(file: &Path) -> Vec<Dialogue> {
    let topic = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("=== ") {
            assert!(title.contains(": "), "{topic}:{}: a title says what it protects, after a colon", number + 1);
            dialogues.push(Dialogue { name: format!("{topic}: {title}"), steps: Vec::new() });
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let dialogue = dialogues.last_mut().unwrap_or_else(|| panic!("{topic}:{}: before any title", number + 1));
            dialogue.steps.push((number + 1, line.to_owned()));
        }
    }
    dialogues
}

fn play(dialogue: &Dialogue) -> Result<(), String> {
    let mut player = Player::new(dialogue);
    for (number, step) in &dialogue.steps {
        player.step(step).map_err(|why| format!("{}\n  line {number}: {step}\n  {why}", dialogue.name))?;
    }
    let replies = dialogue.steps.iter().filter(|(_, step)| step.starts_with('<')).count();
    let is_check = |step: &str| step.starts_with("receive") || step == "end";
    let checks = dialogue.steps.iter().filter(|(_, step)| is_check(step)).count();
    if replies + checks == 0 { Err(format!("{}: expects nothing", dialogue.name)) } else { Ok(()) }
}
