//! conf/grafana-dashboard.json and conf/prometheus-alerts.yaml, held to the figures that a server has.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::figures::{Figures, promtool, used};
use super::get;

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(file)).unwrap()
}

/// Everything in the dashboard that Prometheus is asked.
fn asked(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found
                .extend(["expr", "definition"].iter().filter_map(|name| Some(fields.get(*name)?.as_str()?.to_owned())));
            fields.values().for_each(|field| asked(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| asked(item, found)),
        _ => {}
    }
}

fn dashboard() -> (Value, Vec<String>) {
    let dashboard = serde_json::from_str(&text("grafana-dashboard.json")).unwrap();
    let mut found = Vec::new();
    asked(&dashboard, &mut found);
    assert!(found.len() > 20, "only {} questions were found", found.len());
    (dashboard, found)
}

/// The names of figures in it, by how they begin.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("longshore_") || word.starts_with("process_")).collect()
}

/// What labels must be, as `result="failed"`.
fn labels(text: &str) -> BTreeSet<&str> {
    let items = text.split(['{', '}', ',']).filter(|item| item.contains("=\"") && item.ends_with('"'));
    items.filter(|item| !item.starts_with("instance")).collect()
}

/// README.md names each figure, and no other.
#[test]
fn every_figure_is_described() {
    let (_server, http) = used();
    let readme = text("../README.md");
    let described: BTreeSet<&str> = names(&readme);
    let there: BTreeSet<String> = Figures::of(http).names().map(base).collect();
    assert_eq!(described, there.iter().map(String::as_str).collect());
}

/// The name that the three of a histogram share.
fn base(name: &str) -> String {
    let ends = ["_bucket", "_sum", "_count"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is() {
    let (_server, http) = used();
    let (_, shown) = get(http, "/metrics");
    let there: BTreeSet<String> = Figures::of(http).names().map(str::to_owned).collect();
    let (_, questions) = dashboard();
    for (file, text) in [("dashboard", questions.join("\n")), ("alerts", text("prometheus-alerts.yaml"))] {
        let (names, labels) = (names(&text), labels(&text));
        assert!(names.len() > 8 && !labels.is_empty(), "{file}: {names:?} {labels:?}");
        for name in names {
            assert!(there.contains(name), "{file}: {name} is no figure: {there:#?}");
        }
        for label in labels {
            assert!(shown.contains(label), "{file}: no figure has {label}");
        }
    }
}

/// Whoever looks at the dashboard sees all of it.
#[test]
fn the_dashboard_leaves_no_figure_out() {
    let (_server, http) = used();
    let questions = dashboard().1.join("\n");
    let asked = names(&questions);
    let asked: BTreeSet<String> = asked.into_iter().map(base).collect();
    for name in Figures::of(http).names() {
        assert!(asked.contains(&base(name)), "{name}");
    }
}

#[test]
fn promtool_takes_the_alerts_and_what_the_dashboard_asks() {
    let alerts = text("prometheus-alerts.yaml");
    let count = alerts.matches("- alert: ").count();
    let (good, said) = check_rules(&alerts);
    assert!(good && said.contains(&format!("SUCCESS: {count} rules found")), "{said}");
    assert_eq!(alerts.matches("summary: ").count(), count);
    assert_eq!(alerts.matches("description: ").count(), count);
    assert!(!check_rules(&alerts.replacen("> 0.9", "> > 0.9", 1)).0);
    let (_, questions) = dashboard();
    let rules = questions.iter().filter(|question| !question.starts_with("label_values(")).map(|question| {
        let question = question.replace("$__rate_interval", "5m");
        format!(
            "  - {{record: \"a:b\", expr: {}, labels: {{of: {}}}}}\n",
            Value::from(&*question),
            Value::from(&*question)
        )
    });
    let rules = format!("groups:\n- name: dashboard\n  rules:\n{}", rules.collect::<String>());
    let (good, said) = check_rules(&rules);
    assert!(good, "{said}");
}

fn check_rules(rules: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()], "")
}

/// Where panels lie over one another, or one has no place, Grafana moves them as it likes.
#[test]
fn every_panel_has_its_place_its_title_and_its_unit() {
    let (dashboard, _) = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{panel}");
            }
        }
        assert!(!panel["title"].as_str().unwrap().is_empty());
        if panel["type"] != "row" {
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string() && panel["description"].is_string(),
                "{panel}"
            );
        }
    }
}
