//! The ports that a container publishes, as lines for compose and for a Kubernetes Service.

use std::fmt::Write;

use super::table::Settings;
use super::units::PortRange;

/// The `ports:` of a compose file: the control port, and the passive range as one line.
#[must_use]
pub fn compose_ports(settings: &Settings) -> String {
    let (port, passive) = (settings.port, own_range(settings));
    format!("ports:\n  - \"{port}:{port}\"\n  - \"{passive}:{passive}\"\n")
}

/// A server that shares the range with others is reached on its own part only.
fn own_range(settings: &Settings) -> PortRange {
    settings.passive_slice.of(settings.passive_ports).unwrap_or(settings.passive_ports)
}

/// The `ports:` of a Kubernetes Service, which knows no ranges. A passive port must be the same on every leg, as it
/// is told to clients by number: hence `targetPort`, and `nodePort` where the number can be one.
#[must_use]
pub fn kubernetes_ports(settings: &Settings) -> String {
    let mut yaml = "ports:\n".to_owned();
    let passive = own_range(settings).iter().map(|port| (format!("passive-{port}"), port));
    for (name, port) in std::iter::once(("control".to_owned(), settings.port)).chain(passive) {
        let _ = write!(yaml, "  - name: {name}\n    port: {port}\n    targetPort: {port}\n");
        if NODE_PORTS.contains(&port) {
            let _ = writeln!(yaml, "    nodePort: {port}");
        }
    }
    yaml
}

/// What `--service-node-port-range` of the API server is unless told otherwise.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_has_the_range_in_one_line() {
        assert_eq!(compose_ports(&Settings::default()), "ports:\n  - \"2121:2121\"\n  - \"30000-30009:30000-30009\"\n");
    }

    #[test]
    fn a_part_of_the_range_is_all_there_is() {
        let settings = Settings { passive_slice: "ftp-1/5".parse().unwrap(), ..Settings::default() };
        assert_eq!(compose_ports(&settings), "ports:\n  - \"2121:2121\"\n  - \"30002-30003:30002-30003\"\n");
        let told = kubernetes_ports(&settings);
        assert!(told.contains("passive-30003") && !told.contains("30001") && !told.contains("30004"), "{told}");
    }

    #[test]
    fn kubernetes_has_each_port_the_same_on_every_leg() {
        let settings = Settings { passive_ports: "32767-32768".parse().unwrap(), ..Settings::default() };
        assert_eq!(
            kubernetes_ports(&settings),
            "ports:
  - name: control
    port: 2121
    targetPort: 2121
  - name: passive-32767
    port: 32767
    targetPort: 32767
    nodePort: 32767
  - name: passive-32768
    port: 32768
    targetPort: 32768
"
        );
    }
}
