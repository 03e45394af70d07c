//! Settings that are one word out of a few.

use std::fmt;

use super::super::value::unit;

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident: $expected:literal { $(#[doc = $word_doc:literal] $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $word_doc] $variant),+
        }

        unit!($name, Text, $expected);

        impl $name {
            fn parse(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case($word) {
                    return Some(Self::$variant);
                })+
                None
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

choice! {
    /// How much is logged.
    LogLevel: "error, warn, info, debug or trace" {
        /// What failed.
        Error = "error",
        /// Also what an operator should look at.
        Warn = "warn",
        /// Also what sessions do.
        Info = "info",
        /// Also every command.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// Whether proxies tell, before anything else, which client they speak for.
    ProxyProtocol: "off, optional or required" {
        /// Nobody does.
        Off = "off",
        /// The peers of `proxy_from` may.
        Optional = "optional",
        /// The peers of `proxy_from` must, and nobody else may connect.
        Required = "required",
    }
}

choice! {
    /// Whether clients may, or must, speak TLS.
    TlsMode: "off, allowed or required" {
        /// Nobody does.
        Off = "off",
        /// Whoever says AUTH TLS.
        Allowed = "allowed",
        /// Everybody, before USER.
        Required = "required",
    }
}

choice! {
    /// The oldest TLS that is spoken.
    TlsVersion: "1.2 or 1.3, in quotes" {
        /// RFC 5246.
        Tls12 = "1.2",
        /// RFC 8446.
        Tls13 = "1.3",
    }
}

choice! {
    /// Whether data connections resume the TLS session of their control connection.
    SessionReuse: "off, prefer or require" {
        /// No session can be resumed.
        Off = "off",
        /// Those of clients that can.
        Prefer = "prefer",
        /// All, which ties each to its session.
        Require = "require",
    }
}

choice! {
    /// Whether TLS must say where an upload ends (`close_notify`).
    CloseNotify: "require or accept" {
        /// Without it an upload is broken: anybody on the way can end a connection.
        Require = "require",
        /// The end of the connection, if it is in order, is the end of the upload as well.
        Accept = "accept",
    }
}

choice! {
    /// Where the bytes of an upload go while it is under way.
    UploadMode: "atomic or direct" {
        /// Into a hidden file beside the name, which takes its place once it is whole.
        Atomic = "atomic",
        /// Into the file itself.
        Direct = "direct",
    }
}

choice! {
    /// How a line of the log looks.
    LogFormat: "auto, text or json" {
        /// Text on a terminal, else JSON.
        Auto = "auto",
        /// For people.
        Text = "text",
        /// For programs: an object a line.
        Json = "json",
    }
}

choice! {
    /// When a log file is put aside for a new one.
    LogRotation: "never, hourly, daily or weekly" {
        /// One file for ever.
        Never = "never",
        /// Every hour.
        Hourly = "hourly",
        /// Every day.
        Daily = "daily",
        /// Every week.
        Weekly = "weekly",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    super::super::reads_back!(LogLevel, "error|WARN|Info|debug|trace");

    #[test]
    fn words() {
        assert_eq!("TRACE".parse(), Ok(LogLevel::Trace));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert_eq!("weekly".parse(), Ok(LogRotation::Weekly));
        assert_eq!("Direct".parse(), Ok(UploadMode::Direct));
        assert!("loud".parse::<LogLevel>().is_err());
        assert!("xml".parse::<LogFormat>().is_err());
        assert!("".parse::<LogRotation>().is_err());
    }
}
