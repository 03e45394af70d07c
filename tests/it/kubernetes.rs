//! conf/kubernetes as a cluster would take it: rendered by a real kustomize, held to the published schemas, and to what
//! the program says of the settings and ports in it.
//!
//! Needs `kustomize` or `kubectl` (Debian's kubectl 1.20 is too old for these files), and `python3` with venv and pip,
//! for the package that carries the schemas.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use longshore::settings::{Field, Settings};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::binary::PROGRAM;

const VALIDATOR: &str = "kubernetes-validate==1.37.0";
/// The oldest release with all that is used, a NetworkPolicy's `endPort` above all, and the newest with a schema.
const RELEASES: [&str; 2] = ["1.25", "1.37"];
const OVERLAYS: [&str; 4] = ["nodeport", "loadbalancer", "statefulset", "tls"];

/// YAML from standard input as one JSON array, each document held to the schemas of the releases that are named.
const READER: &str = "
import json, sys, yaml, kubernetes_validate
documents = list(yaml.safe_load_all(sys.stdin))
for release in sys.argv[1:]:
    for document in documents:
        kubernetes_validate.validate(document, release, strict=True)
json.dump(documents, sys.stdout)
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Its standard output, once it has ended well.
#[track_caller]
fn run(command: &mut Command, needs: &str) -> String {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}; {needs}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}; {complaint}\n{needs}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The interpreter of an environment that has the validator. It is made once for a target folder.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        const NEEDS: &str = "the packages python3, python3-venv and a package index are needed (see tests/run)";
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let environment = target.join(VALIDATOR.replace("==", "-"));
        if !environment.exists() {
            // Made under another name, so that half of one is never taken for it.
            let begun = tempfile::Builder::new().prefix("venv-").tempdir_in(target).unwrap();
            run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(begun.path()), NEEDS);
            let python = begun.path().join("bin/python");
            run(Command::new(python).args(["-m", "pip", "install", "--quiet", "--no-input", VALIDATOR]), NEEDS);
            // Another run of the tests may have been faster.
            let _ = std::fs::rename(begun.path(), &environment);
        }
        environment.join("bin/python")
    })
}

fn read(yaml: &str, releases: &[&str]) -> Output {
    let mut command = Command::new(python());
    command.args(["-c", READER]).args(releases).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn documents(yaml: &str, releases: &[&str]) -> Vec<Value> {
    let output = read(yaml, releases);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `kubectl apply -k` would send.
fn render(folder: &str) -> String {
    const NEEDS: &str = "kustomize 4.5 or newer, or kubectl 1.25 or newer, is needed to render conf/kubernetes";
    let folder = root().join(folder);
    let has_kustomize = Command::new("kustomize").arg("version").stdout(Stdio::null()).status().is_ok();
    let (program, word) = if has_kustomize { ("kustomize", "build") } else { ("kubectl", "kustomize") };
    run(Command::new(program).arg(word).arg(folder), NEEDS)
}

/// One way to serve, rendered.
struct Way {
    name: &'static str,
    all: Vec<Value>,
}

impl Way {
    fn all() -> Vec<Self> {
        let folders = std::iter::once(("base", "conf/kubernetes".to_owned()))
            .chain(OVERLAYS.map(|name| (name, format!("conf/kubernetes/overlays/{name}"))));
        folders.map(|(name, folder)| Self { name, all: documents(&render(&folder), &RELEASES) }).collect()
    }

    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.all.iter().filter(|document| document["kind"] == kind).collect()
    }

    #[track_caller]
    fn one(&self, kind: &str) -> &Value {
        let [one] = self.of_kind(kind)[..] else { panic!("{}: not one {kind}", self.name) };
        one
    }

    /// The Deployment or StatefulSet.
    fn workload(&self) -> &Value {
        self.one(if self.name == "statefulset" { "StatefulSet" } else { "Deployment" })
    }

    fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]
    }

    fn container(&self) -> &Value {
        let [container] = &list(&self.pod()["spec"]["containers"])[..] else { panic!("not one container") };
        container
    }

    fn replicas(&self) -> u64 {
        self.workload()["spec"]["replicas"].as_u64().unwrap()
    }

    /// The variables of the pod with this number, as the kubelet makes them.
    fn variables(&self, pod: u64) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        for entry in list(&self.container()["env"]) {
            let value = match &entry["valueFrom"]["fieldRef"]["fieldPath"] {
                Value::Null => text(&entry["value"]).to_owned(),
                field => {
                    assert_eq!(field, "metadata.name");
                    format!("{}-{pod}", text(&self.workload()["metadata"]["name"]))
                }
            };
            // Those before it are known.
            let value =
                variables.iter().fold(value, |value, (name, known)| value.replace(&format!("$({name})"), known));
            variables.push((text(&entry["name"]).to_owned(), value));
        }
        variables
    }

    /// The settings that this pod has, by the program itself; it must take them without a word.
    fn settings(&self, pod: u64) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("users.conf"),
            "bob $2b$04$wVmVCqxJmRUGXuj2tr5XxuJBHfT7oDPeIVkMJfvsSLfzIO7M2qlMO elr bob\n",
        )
        .unwrap();
        let pair = Authority::new().issue(&["ftp.example.org"]);
        std::fs::write(folder.path().join("tls.crt"), pair.cert_pem).unwrap();
        std::fs::write(folder.path().join("tls.key"), pair.key_pem).unwrap();
        // As the Secret's defaultMode has it.
        for name in ["users.conf", "tls.crt", "tls.key"] {
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o440)).unwrap();
        }
        let mut variables = self.variables(pod);
        let mut settings = Settings::default();
        for (name, value) in &mut variables {
            let volume = match name.as_str() {
                "FTP_USERS_FILE" => Some("users"),
                "FTP_TLS_CERT" | "FTP_TLS_KEY" => Some("tls"),
                _ => None,
            };
            if let Some(volume) = volume {
                // The file comes with the Secret, which is mounted as a directory.
                let path = Path::new(value);
                let mounts = list(&self.container()["volumeMounts"]);
                let mount = mounts.iter().find(|mount| mount["name"] == volume).expect("it is mounted");
                assert_eq!(path.parent(), Some(Path::new(text(&mount["mountPath"]))));
                *value = folder.path().join(path.file_name().unwrap()).display().to_string();
            } else if let Some(field) = field_of(name) {
                settings.set(field.name, value).unwrap_or_else(|why| panic!("{}: {name}={value}: {why}", self.name));
            } else {
                assert_eq!(name, "POD_NAME", "{} sets a variable that is no setting", self.name);
            }
        }
        // As in the container, where no file of settings says otherwise.
        let mut check = Command::new(PROGRAM);
        check.arg("check").env_clear().envs(variables).current_dir(folder.path());
        let output = check.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        // The pod's user is 1000, and whoever runs the tests may be root.
        let complaint: Vec<&str> =
            complaint.lines().filter(|line| !line.starts_with("warning: run_as: this process is root")).collect();
        assert!(output.status.success() && complaint.is_empty(), "{} {pod}: {complaint:?}", self.name);
        settings
    }

    /// The list of ports that the program prints with this pod's variables.
    fn ports(&self, pod: u64) -> Value {
        let mut ports = Command::new(PROGRAM);
        ports.args(["ports", "--kubernetes"]).env_clear().envs(self.variables(pod));
        documents(&run(&mut ports, ""), &[])[0]["ports"].clone()
    }

    /// The Service that leads clients to this pod.
    fn service(&self, pod: u64) -> &Value {
        let name = if self.name == "statefulset" { format!("longshore-{pod}") } else { "longshore".to_owned() };
        self.of_kind("Service").into_iter().find(|service| service["metadata"]["name"] == *name).unwrap()
    }
}

fn field_of(variable: &str) -> Option<&'static Field> {
    longshore::settings::FIELDS.iter().find(|field| field.variable() == variable)
}

#[track_caller]
fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Whether these labels are among those.
fn selects(selector: &Value, labels: &Value) -> bool {
    let selector = selector.as_object().unwrap();
    !selector.is_empty() && selector.iter().all(|(name, value)| labels[name] == *value)
}

#[test]
fn schemas_refuse_what_is_wrong() {
    let good = render("conf/kubernetes");
    for (right, wrong) in [
        ("endPort: 30009", "endPort: many"),
        ("strategy:", "strategie:"),
        ("fsGroupChangePolicy:", "fsGroupChanges:"),
        ("replicas: 1", "replicas: one"),
    ] {
        assert!(good.contains(right), "{right}");
        let output = read(&good.replacen(right, wrong, 1), &RELEASES[1..]);
        assert!(!output.status.success(), "{wrong} was taken");
    }
}

#[test]
fn variables_are_settings_that_the_program_takes() {
    for way in Way::all() {
        for pod in 0..way.replicas() {
            let settings = way.settings(pod);
            assert_eq!(way.container()["ports"][0]["containerPort"], settings.port, "{}", way.name);
            // A transfer has the grace that the settings say before the kubelet loses patience.
            let patience = way.pod()["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(settings.shutdown_grace.limit().unwrap().as_secs() < patience, "{}", way.name);
            let homes = list(&way.container()["volumeMounts"]).iter().find(|mount| mount["name"] == "homes").unwrap();
            assert_eq!(Path::new(text(&homes["mountPath"])), settings.home_root, "{}", way.name);
        }
    }
}

#[test]
fn services_have_the_ports_that_the_program_prints_the_same_on_every_leg() {
    for way in Way::all() {
        for pod in 0..way.replicas() {
            let (mut printed, service) = (way.ports(pod), way.service(pod));
            let spec = &service["spec"];
            if way.name == "base" {
                // Inside the cluster there are no ports of nodes.
                printed.as_array_mut().unwrap().iter_mut().for_each(|port| {
                    port.as_object_mut().unwrap().remove("nodePort");
                });
                assert_eq!(spec["type"], Value::Null);
            } else {
                assert_eq!(spec["externalTrafficPolicy"], "Local", "{}", way.name);
                assert_eq!(spec["type"], if way.name == "nodeport" { "NodePort" } else { "LoadBalancer" });
                for port in list(&printed) {
                    assert_eq!(port["port"], port["targetPort"]);
                    // Clients of a balancer know its control port, and no node's.
                    let any = port["name"] == "control" && way.name != "nodeport";
                    assert!(port["port"] == port["nodePort"] || any, "{}: {port}", way.name);
                }
            }
            assert_eq!(spec["ports"], printed, "{} {pod}", way.name);
        }
    }
}

#[test]
fn every_pod_has_its_own_part_of_the_range_and_its_own_address() {
    let ways = Way::all();
    let set = ways.iter().find(|way| way.name == "statefulset").unwrap();
    let settings: Vec<Settings> = (0..set.replicas()).map(|pod| set.settings(pod)).collect();
    assert!(settings.len() > 1);
    let mut ports: Vec<u16> = settings
        .iter()
        .flat_map(|own| own.passive_slice.of(own.passive_ports).unwrap().iter().collect::<Vec<_>>())
        .collect();
    // Each once and none left over.
    ports.sort_unstable();
    assert_eq!(ports, settings[0].passive_ports.iter().collect::<Vec<_>>());
    let mut addresses: Vec<String> = settings.iter().map(|own| format!("{:?}", own.masquerade_address)).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), settings.len());
    for pod in 0..set.replicas() {
        let selector = &set.service(pod)["spec"]["selector"]["statefulset.kubernetes.io/pod-name"];
        assert_eq!(*selector, format!("longshore-{pod}"));
    }
    let spec = &set.workload()["spec"];
    let headless = set.of_kind("Service").into_iter().find(|service| service["spec"]["clusterIP"] == "None").unwrap();
    assert_eq!(spec["serviceName"], headless["metadata"]["name"]);
    assert_eq!(list(&spec["volumeClaimTemplates"]).len(), 1, "each has its own homes");
}

#[test]
fn pods_have_no_right_that_they_do_not_need() {
    for way in Way::all() {
        let (name, spec, container) = (way.name, &way.pod()["spec"], way.container());
        for (place, found, wanted) in [
            ("enableServiceLinks", &spec["enableServiceLinks"], json!(false)),
            ("automountServiceAccountToken", &spec["automountServiceAccountToken"], json!(false)),
            (
                "pod",
                &spec["securityContext"],
                json!({
                    "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
                    "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
                }),
            ),
            (
                "container",
                &container["securityContext"],
                json!({
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                }),
            ),
        ] {
            assert_eq!(*found, wanted, "{name}: {place}");
        }
        // The memory limit bounds password hashes, the other one what is logged.
        let limits = &container["resources"]["limits"];
        for resource in ["memory", "ephemeral-storage"] {
            assert!(limits[resource].is_string(), "{name}: no limit of {resource}: {limits}");
            assert!(container["resources"]["requests"][resource].is_string(), "{name}: no request of {resource}");
        }
        // Two pods may not hold one volume, nor tell one port.
        if name != "statefulset" {
            assert_eq!(
                (way.replicas(), &way.workload()["spec"]["strategy"]),
                (1, &json!({"type": "Recreate"})),
                "{name}"
            );
        }
        let mounts = list(&container["volumeMounts"]);
        assert!(mounts.iter().all(|mount| mount["subPath"].is_null()), "{name}: a subPath is never updated");
        let secrets: Vec<&Value> =
            list(&spec["volumes"]).iter().map(|volume| &volume["secret"]).filter(|secret| !secret.is_null()).collect();
        assert!(!secrets.is_empty() && secrets.iter().all(|secret| secret["defaultMode"] == 0o440), "{name}");
        assert!(way.of_kind("Secret").is_empty(), "{name}: passwords are in nobody's repository");
    }
}

#[test]
fn probes_ask_where_the_server_answers_and_let_it() {
    for way in Way::all() {
        let http = way.settings(0).http_listen.iter().next().unwrap().port();
        assert_eq!(way.container()["ports"][1], json!({"name": "http", "containerPort": http}), "{}", way.name);
        for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            let probe = &way.container()[probe];
            assert_eq!(probe["httpGet"], json!({"path": path, "port": "http"}), "{}", way.name);
            // It waits for homes for two seconds, and says then that they are out of reach.
            assert!(probe["timeoutSeconds"].as_u64().unwrap() > 2, "{}: {probe}", way.name);
        }
    }
}

#[test]
fn selectors_meet_the_pods_and_the_policy_opens_just_the_ports() {
    for way in Way::all() {
        let (name, labels) = (way.name, &way.pod()["metadata"]["labels"]);
        assert!(selects(&way.workload()["spec"]["selector"]["matchLabels"], labels), "{name}");
        for service in way.of_kind("Service") {
            // Service links of a Service called `ftp` would be variables such as FTP_PORT.
            assert_ne!(service["metadata"]["name"], "ftp");
            let mut labels = labels.clone();
            let own = &service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"];
            labels["statefulset.kubernetes.io/pod-name"] = own.clone();
            assert!(selects(&service["spec"]["selector"], &labels), "{name}: {service}");
        }
        let policy = &way.one("NetworkPolicy")["spec"];
        assert!(selects(&policy["podSelector"]["matchLabels"], labels), "{name}");
        assert_eq!(policy["policyTypes"], json!(["Ingress"]), "{name}");
        let settings = way.settings(0);
        let range = settings.passive_ports;
        let last = range.iter().last().unwrap();
        let wanted = json!([{"ports": [
            {"port": settings.port, "protocol": "TCP"},
            {"port": range.first(), "endPort": last, "protocol": "TCP"},
        ]}, {
            // Not every pod of the cluster: an empty selector beside it, or none, would mean that.
            "from": [{
                "namespaceSelector": {},
                "podSelector": {"matchExpressions": [
                    {"key": "app.kubernetes.io/name", "operator": "In", "values": ["prometheus"]},
                ]},
            }],
            "ports": [{"port": settings.http_listen.iter().next().unwrap().port(), "protocol": "TCP"}],
        }]);
        assert_eq!(policy["ingress"], wanted, "{name}");
    }
}

/// The component goes with the set as well.
#[test]
fn tls_is_required_where_its_component_is_and_off_elsewhere() {
    let root = root().canonicalize().unwrap();
    // Beside the sources, for kustomize takes relative paths only.
    let target = root.join("target");
    // Not there yet where the build goes elsewhere (CARGO_TARGET_DIR).
    std::fs::create_dir_all(&target).unwrap();
    let folder = tempfile::tempdir_in(target).unwrap();
    let kustomization = "resources: [../../conf/kubernetes/overlays/statefulset]\n\
                         components: [../../conf/kubernetes/components/tls]\n";
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let all = documents(&render(folder.path().strip_prefix(&root).unwrap().to_str().unwrap()), &RELEASES);
    let set = Way { name: "statefulset", all };
    let ways = Way::all().into_iter().map(|way| (if way.name == "tls" { "required" } else { "off" }, way));
    for (mode, way) in ways.chain([("required", set)]) {
        // A pair that is not named would be warned about, which is not taken there.
        assert_eq!(way.settings(0).tls.to_string(), mode, "{}", way.name);
    }
}

#[test]
fn every_overlay_is_rendered() {
    let folders = std::fs::read_dir(root().join("conf/kubernetes/overlays")).unwrap();
    let mut found: Vec<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    let mut known = OVERLAYS.map(str::to_owned);
    known.sort();
    assert_eq!(found, known);
}
