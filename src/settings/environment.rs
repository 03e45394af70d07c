//! The variables that begin with `FTP_`: which are settings, which were put there by Kubernetes or Docker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::field::Field;
use super::problem::{Problem, nearest};
use super::table::FIELDS;

/// The environment, sorted into what it means.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Settings, as they were written.
    pub(super) given: Vec<(&'static Field, String)>,
    /// Secrets to be read from files: the setting, the variable and the path in it.
    pub(super) secret_files: Vec<(&'static Field, String, PathBuf)>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// At most one line about what was put there by others.
    pub(super) note: Option<String>,
}

/// Sorts the variables. Names are case-sensitive, and an empty variable counts as unset.
pub(super) fn sort(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Variables {
    let variables: BTreeMap<OsString, OsString> =
        environment.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut sorted = Variables::default();
    let mut injected = Vec::new();
    for (variable, value) in variables {
        if variable == "ftp_proxy" {
            injected.push("ftp_proxy".to_owned());
        }
        if !variable.as_bytes().starts_with(b"FTP_") {
            continue;
        }
        let variable = variable.to_string_lossy().into_owned();
        let name = &variable["FTP_".len()..];
        if let Some(field) = FIELDS.iter().find(|field| field.variable() == variable) {
            sorted.setting(field, variable, value);
        } else if let Some(field) = secret_in_file(name) {
            sorted.secret_files.push((field, variable, value.into()));
        } else if is_injected(name, &value.to_string_lossy()) {
            injected.push(variable);
        } else {
            sorted.problems.push(Problem::unknown(variable.clone(), &nearest(&variable, known_variables())));
        }
    }
    sorted.refuse_secrets_given_twice();
    sorted.note = summary(&injected);
    sorted
}

impl Variables {
    fn setting(&mut self, field: &'static Field, variable: String, value: OsString) {
        match value.into_string() {
            Ok(value) if !field.secret && is_service_address(&value) => self.warnings.push(format!(
                "{variable}: {value} is ignored: Kubernetes sets it for a Service of that name. \
                 Say `enableServiceLinks: false` in the pod, or rename the Service"
            )),
            Ok(value) => self.given.push((field, value)),
            Err(_) => {
                self.problems.push(Problem::of(field.name, variable, "found bytes that are not UTF-8, expected text"));
            }
        }
    }

    fn refuse_secrets_given_twice(&mut self) {
        let in_files = self.secret_files.iter().map(|(field, ..)| field.name);
        let by_name = |name: &str| self.given.iter().any(|(field, _)| field.name == name);
        let users_file = by_name("users_file").then_some("users");
        for name in in_files.chain(users_file).filter(|name| by_name(name)) {
            let variable = format!("FTP_{}", name.to_ascii_uppercase());
            self.problems.push(Problem::of(
                name,
                format!("{variable} and {variable}_FILE"),
                "found both, expected one of them",
            ));
        }
    }
}

/// The secret setting of `PASS_FILE`.
fn secret_in_file(name: &str) -> Option<&'static Field> {
    let secret = name.strip_suffix("_FILE")?;
    FIELDS.iter().find(|field| field.secret && field.name.to_ascii_uppercase() == secret)
}

fn known_variables() -> impl Iterator<Item = String> {
    let files = FIELDS.iter().filter(|field| field.secret).map(|field| format!("{}_FILE", field.variable()));
    FIELDS.iter().map(Field::variable).chain(files)
}

/// Whether `FTP_` and this name is a service link of Kubernetes, a link of Docker, or a proxy.
fn is_injected(name: &str, value: &str) -> bool {
    let path = format!("_{name}");
    name == "PROXY"
        || name.starts_with("ENV_")
        || (name == "NAME" && value.starts_with('/'))
        || path.ends_with("_SERVICE_HOST")
        || path.rsplit_once("_SERVICE_PORT").is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('_'))
        || (path.ends_with("_PORT") && is_service_address(value))
        || path.rsplit_once("_PORT_").is_some_and(|(_, rest)| is_linked_port(rest))
}

/// `tcp://10.0.0.1:21`
fn is_service_address(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// `21_TCP`, `21_TCP_ADDR`
fn is_linked_port(text: &str) -> bool {
    let mut words = text.split('_');
    words.next().is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && words.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol))
        && words.next().is_none_or(|what| ["ADDR", "PORT", "PROTO"].contains(&what))
        && words.next().is_none()
}

fn summary(injected: &[String]) -> Option<String> {
    let shown = injected.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match injected.len() {
        0 => return None,
        1..=3 => String::new(),
        count => format!(" and {} more", count - 3),
    };
    Some(format!("ignored what Kubernetes or Docker set, or a proxy needs: {shown}{more}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn sorted(variables: &[(&str, &str)]) -> Variables {
        sort(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn given(variables: &Variables) -> Vec<(&str, &str)> {
        variables.given.iter().map(|(field, value)| (field.name, value.as_str())).collect()
    }

    #[test]
    fn what_kubernetes_and_docker_set_is_one_note() {
        let variables = sorted(&[
            ("FTP_SERVICE_HOST", "10.0.0.1"),
            ("FTP_SERVICE_PORT", "21"),
            ("FTP_SERVICE_PORT_CONTROL", "21"),
            ("FTP_PORT_21_TCP", "tcp://10.0.0.1:21"),
            ("FTP_PORT_21_TCP_PROTO", "tcp"),
            ("FTP_PORT_21_TCP_PORT", "21"),
            ("FTP_PORT_21_TCP_ADDR", "10.0.0.1"),
            ("FTP_PORT_53_UDP", "udp://10.0.0.1:53"),
            ("FTP_MY_DATA_SERVICE_HOST", "10.0.0.2"),
            ("FTP_MY_DATA_SERVICE_PORT", "80"),
            ("FTP_MY_DATA_SERVICE_PORT_HTTP", "80"),
            ("FTP_MY_DATA_PORT", "tcp://10.0.0.2:80"),
            ("FTP_MY_DATA_PORT_80_TCP_ADDR", "10.0.0.2"),
            ("FTP_NAME", "/web/ftp"),
            ("FTP_ENV_PATH", "/bin"),
            ("FTP_PROXY", "http://proxy:3128"),
            ("ftp_proxy", "http://proxy:3128"),
        ]);
        assert_eq!((given(&variables), &variables.problems, variables.warnings.len()), (vec![], &vec![], 0));
        let note = variables.note.unwrap();
        assert!(note.ends_with("FTP_ENV_PATH, FTP_MY_DATA_PORT, FTP_MY_DATA_PORT_80_TCP_ADDR and 14 more"), "{note}");
    }

    #[test]
    fn a_service_called_ftp_does_not_set_the_port() {
        let variables = sorted(&[("FTP_PORT", "tcp://10.0.0.1:21"), ("FTP_PASS", "tcp://is a password")]);
        assert_eq!(given(&variables), [("pass", "tcp://is a password")]);
        assert_eq!(variables.warnings.len(), 1);
        assert!(
            variables.warnings[0].contains("FTP_PORT") && variables.warnings[0].contains("enableServiceLinks: false")
        );
    }

    #[test]
    fn no_setting_looks_like_what_others_set() {
        for field in FIELDS {
            assert!(!is_injected(&field.name.to_ascii_uppercase(), "5"), "{}", field.name);
        }
    }

    #[test]
    fn what_only_resembles_a_service_link_is_unknown() {
        for name in
            ["FTP_MAX_CON", "FTP_X_PORT", "FTP_PORT_X_TCP", "FTP_PORT_21_TCP_NAME", "FTP_NAME", "FTP_", "FTP_port"]
        {
            let variables = sorted(&[(name, "5")]);
            assert_eq!(variables.problems.len(), 1, "{name}");
            assert_eq!(variables.problems[0].place, name);
        }
        assert!(sorted(&[("FTP_MAX_CON", "5")]).problems[0].complaint.ends_with("did you mean FTP_MAX_CONS?"));
    }

    #[test]
    fn only_the_exact_prefix_counts_and_empty_is_unset() {
        let variables =
            sorted(&[("ftp_port", "1"), ("Ftp_Port", "1"), ("FTPPORT", "1"), ("FTP_PORT", ""), ("FTP_NONSENSE", "")]);
        assert_eq!(given(&variables), []);
        assert_eq!((variables.problems, variables.note), (vec![], None));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_a_problem_unless_ignored() {
        let bytes = || OsString::from_vec(vec![b'a', 0xff]);
        let variables = sort([("FTP_USER".into(), bytes()), ("FTP_ENV_X".into(), bytes()), ("OTHER".into(), bytes())]);
        let places: Vec<_> = variables.problems.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["FTP_USER"]);
    }

    #[test]
    fn a_secret_and_its_file_exclude_each_other() {
        for (name, file) in [("FTP_PASS", "FTP_PASS_FILE"), ("FTP_USERS", "FTP_USERS_FILE")] {
            let problems = sorted(&[(name, "hunter2"), (file, "/run/secrets/x")]).problems;
            assert_eq!(problems.len(), 1, "{name}");
            assert_eq!(problems[0].to_string(), format!("{name} and {file}: found both, expected one of them"));
            assert_eq!(sorted(&[(file, "/run/secrets/x")]).problems, []);
        }
    }

    proptest::proptest! {
        #[test]
        fn each_variable_ends_in_exactly_one_place(name in "[A-Z_]{0,12}", value in "[a-z:/0-9]{1,12}") {
            let variables = sorted(&[(&format!("FTP_{name}"), &value)]);
            let places = variables.given.len() + variables.secret_files.len() + variables.problems.len()
                + variables.warnings.len() + usize::from(variables.note.is_some());
            proptest::prop_assert_eq!(places, 1);
        }
    }
}
