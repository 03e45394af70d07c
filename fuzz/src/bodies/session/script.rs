//! What an input means. It is text, so that a kept one can be read, and so that a fuzzer that swaps lines makes sense.
//!
//! The first byte says who logs in. Then lines:
//!
//! - `~` and a letter: what the client does with its next data connection, and then the bytes that it sends over it;
//! - `&` and a command: sent together with the line after it;
//! - anything else: a command, whose replies are awaited. `%P` in it is where the client listens as PORT says it, `%E`
//!   as EPRT does.
//!
//! What follows the last line feed is sent without a line end, before the client leaves.

/// Lines beyond this are not played: an input shall not take long.
const MOST_LINES: usize = 48;

pub(super) struct Script {
    pub(super) who: Who,
    pub(super) steps: Vec<Step>,
    /// Half a line.
    pub(super) tail: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// May do all in his home.
    Bob,
    /// May only look.
    Reader,
    Anonymous,
}

pub(super) enum Step {
    /// Lines that are sent at once.
    Say(Vec<Vec<u8>>),
    /// For the next data connection.
    Data(Manner, Vec<u8>),
}

/// How a client behaves on a data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It connects when it is told to, sends all and reads all.
    Plain,
    /// It connects before it asks for a transfer.
    Early,
    /// It does not connect, and aborts.
    Never,
    /// It aborts when it has sent all.
    Abort,
    /// It says QUIT when it has sent all, and reads on.
    Quit,
    /// It asks how it goes, and then goes on.
    Ask,
    /// It resets the connection.
    Reset,
    /// It closes its side of the control connection.
    HangUp,
    /// Somebody else connects first.
    Stranger,
}

impl Who {
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::Bob => Some("bob"),
            Self::Reader => Some("reader"),
            Self::Anonymous => Some("anonymous"),
        }
    }
}

impl Manner {
    fn of(letter: u8) -> Self {
        match letter {
            b'e' => Self::Early,
            b'n' => Self::Never,
            b'a' => Self::Abort,
            b'q' => Self::Quit,
            b'?' => Self::Ask,
            b'r' => Self::Reset,
            b'h' => Self::HangUp,
            b's' => Self::Stranger,
            _ => Self::Plain,
        }
    }
}

impl Script {
    /// `None` where there is not even somebody.
    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let (who, text) = input.split_first()?;
        let who = match who {
            b'b' => Who::Bob,
            b'r' => Who::Reader,
            b'a' => Who::Anonymous,
            _ => Who::Nobody,
        };
        let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        let tail = lines.pop().unwrap_or_default().to_vec();
        let (mut steps, mut together) = (Vec::new(), Vec::new());
        for line in lines.into_iter().take(MOST_LINES) {
            match line {
                [b'~', letter, bytes @ ..] => steps.push(Step::Data(Manner::of(*letter), bytes.to_vec())),
                [b'&', line @ ..] => together.push(line.to_vec()),
                line => {
                    together.push(line.to_vec());
                    steps.push(Step::Say(std::mem::take(&mut together)));
                }
            }
        }
        if !together.is_empty() {
            steps.push(Step::Say(together));
        }
        Some(Self { who, steps, tail })
    }
}
