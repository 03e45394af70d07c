//! The ports that a container publishes, as lines for compose and for a Kubernetes Service.

use std::fmt::Write;

use super::table::Settings;
use super::units::PortRange;

/// The `ports:` of a compose file: the control ports, and the passive range as one line.
#[must_use]
pub fn compose_ports(settings: &Settings) -> String {
    let mut yaml = "ports:\n".to_owned();
    let control = control_ports(settings).into_iter().map(|(_, port)| port.to_string());
    for port in control.chain([own_range(settings).to_string()]) {
        let _ = writeln!(yaml, "  - \"{port}:{port}\"");
    }
    yaml
}

/// The ports of sessions by name: that of all, and those of `tls_listen`, each once, however many addresses have it.
fn control_ports(settings: &Settings) -> Vec<(String, u16)> {
    let mut ports = vec![("control".to_owned(), settings.port)];
    for port in settings.tls_listen.iter().map(|socket| socket.port()) {
        if !ports.iter().any(|(_, known)| *known == port) {
            let name = if ports.len() == 1 { "implicit".to_owned() } else { format!("implicit-{port}") };
            ports.push((name, port));
        }
    }
    ports
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
    for (name, port) in control_ports(settings).into_iter().chain(passive) {
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
    fn the_ports_of_implicit_tls_are_among_them_once_each() {
        let listen = "0.0.0.0:990, [::]:990, 0.0.0.0:32500".parse().unwrap();
        let settings =
            Settings { tls_listen: listen, passive_ports: "4000-4001".parse().unwrap(), ..Settings::default() };
        let compose = "ports:\n  - \"2121:2121\"\n  - \"990:990\"\n  - \"32500:32500\"\n  - \"4000-4001:4000-4001\"\n";
        assert_eq!(compose_ports(&settings), compose);
        let told = kubernetes_ports(&settings);
        let second = "  - name: implicit-32500\n    port: 32500\n    targetPort: 32500\n    nodePort: 32500\n";
        let first = "  - name: implicit\n    port: 990\n    targetPort: 990\n";
        assert!(told.contains(&format!("{first}{second}  - name: passive-4000\n")), "{told}");
        assert_eq!(told.matches("name: ").count(), 5, "{told}");
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
