//! What an operator may change: fields and defaults, layers, units, problems.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `table` | every setting, once: its meaning, name, type and default. All else follows from it |
//! | `field` | what makes a struct and a list of that table |
//! | `units`, `value` | the types of settings, and how they are read from text |
//! | `layers`, `environment`, `cli`, `share` | default < file < environment < flags |
//! | `load` | reads the layers |
//! | `looks` | the files that were read, and whether they have changed: the only file in here that touches the disk |
//! | `cross` | what no setting can tell by itself |
//! | `problem`, `spot` | what is wrong, where, and what was expected; the place in the settings file, drawn |
//! | `render`, `ports` | the settings as README table, as settings.toml, as `check` shows them; the ports to publish |

pub mod cli;
mod cross;
mod environment;
mod field;
mod layers;
mod load;
mod looks;
mod overrule;
mod ports;
mod problem;
mod render;
mod share;
mod spot;
mod table;
mod units;
mod value;

pub use cross::{Findings, Surroundings, examine};
pub use field::Field;
pub use load::{Loaded, Origin, SettingsFile, Unnamed, environment, load, load_again};
pub use looks::Looks;
pub use ports::{compose_ports, kubernetes_ports};
pub use problem::{Problem, Problems};
pub use render::{BEHIND, readme_table, render_check, render_check_in_colour, settings_file};
pub use share::Share;
pub use spot::Spot;
pub use table::{FIELDS, Settings};
pub use units::{
    Cidrs, CloseNotify, CommandLine, Count, Encoding, Hook, Identity, ListenAddresses, ListenSockets, LogFormat,
    LogLevel, LogRotation, Masquerade, MasqueradeMap, MasqueradeRule, MasqueradeTo, MasqueradeWhen, Octal, Permission,
    Permissions, PortRange, ProxyProtocol, Rate, Secret, SessionReuse, Size, Slice, Span, TlsMode, TlsVersion,
    UnknownLetter, UploadMode, WebAddress,
};
pub use value::{Expected, Form, Value};
