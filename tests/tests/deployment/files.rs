//! What can be seen of the files without starting anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use roadstead_tests::binary;
use serde_json::Value;

pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the top").to_owned()
}

fn text(name: &str) -> String {
    fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(top()).output();
    output.unwrap_or_else(|error| {
        panic!("{}: {error}: run `make test`, or tests/tools/install.sh", program.display())
    })
}

fn compose() -> Value {
    let program = top().join("tests/tools/bin/docker-compose");
    let output = run(&program, &["config", "--format", "json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "docker compose config says: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The variables of the program that a setting has, those that name a file with a secret, too.
fn known_variables() -> BTreeSet<String> {
    let output = run(&binary(), &["config", "show"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let keys = shown.lines().filter(|line| !line.starts_with('#'));
    let keys = keys.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.to_uppercase());
    keys.flat_map(|key| [format!("ROADSTEAD_{key}"), format!("ROADSTEAD_{key}_FILE")]).collect()
}

/// That a variable which names a file is read: a file that is not there must be complained about.
fn assert_is_a_secret(variable: &str) {
    let output = Command::new(binary())
        .args(["config", "show"])
        .env(variable, "/nonexistent/secret")
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/nonexistent/secret"), "{variable} is not read: {said}");
}

fn list<'a>(service: &'a Value, key: &str) -> Vec<&'a str> {
    let list = service[key].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

#[test]
fn the_compose_file_says_nothing_that_compose_or_the_binary_does_not_know() {
    let (file, known) = (compose(), known_variables());
    let init = text("deploy/compose/init.sh");
    for name in ["roadstead-a", "roadstead-b"] {
        let variables = file["services"][name]["environment"].as_object().expect("variables");
        for (variable, value) in variables {
            assert!(known.contains(variable), "{variable} is no setting");
            if variable.ends_with("_FILE") {
                assert_is_a_secret(variable);
                let path = value.as_str().expect("a path").replace("/run/secrets", "/secrets");
                assert!(init.contains(&format!("once {path} ")), "{path} is never made");
            }
        }
    }
}

#[test]
fn every_service_has_as_little_power_as_it_needs() {
    let file = compose();
    for (name, service) in file["services"].as_object().expect("services") {
        assert_eq!(service["read_only"], true, "{name} may write to its root file system");
        assert_eq!(list(service, "cap_drop"), ["ALL"], "{name} keeps capabilities");
        assert!(list(service, "security_opt").contains(&"no-new-privileges:true"), "{name}");
        let once = name == "init";
        assert_eq!(service["user"].as_str().expect("a user").starts_with("0:"), once, "{name}");
        assert_eq!(service["restart"] == "no", once, "{name}");
    }
    assert_eq!(file["networks"]["back"]["internal"], true);
    let published: Vec<_> = file["services"].as_object().expect("services").iter().collect();
    let published = published.iter().filter(|(_, service)| service.get("ports").is_some());
    let published: Vec<&str> = published.map(|(name, _)| name.as_str()).collect();
    assert_eq!(published, ["proxy"], "nobody else is reached from outside");
    assert_eq!(file["services"]["proxy"]["ports"][0]["host_ip"], "127.0.0.1");
}

#[test]
fn the_image_has_no_root_and_asks_the_program_for_its_health() {
    let file = text("Dockerfile");
    assert!(file.contains("CMD [\"/roadstead\", \"health\"]") && file.contains("\nUSER 65532"));
    let output = run(&binary(), &["health", "--help"]);
    assert!(output.status.success(), "there is no such command");
    let last = file.rsplit("\nFROM ").next().expect("a stage");
    assert!(last.starts_with("image AS runtime\n") && !last.contains("RUN"), "{last}");
}

#[test]
fn the_proxys_configuration_is_valid() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    // The names are those of containers, which nobody knows here.
    let configuration = text("deploy/compose/haproxy.cfg").replace("roadstead-", "127.0.0.");
    let configuration = configuration.replace("127.0.0.a", "127.0.0.2");
    let configuration = configuration.replace("127.0.0.b", "127.0.0.3");
    fs::write(file.path(), configuration).expect("a file");
    let path = file.path().display().to_string();
    let output = run(Path::new("/usr/sbin/haproxy"), &["-c", "-q", "-dW", "-f", &path]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_example_for_kubernetes_and_the_manual_name_settings_that_exist() {
    let known = known_variables();
    for name in ["deploy/kubernetes/roadstead.yaml", "docs/deployment.md", "README.md"] {
        let text = text(name);
        let starts = text.match_indices("ROADSTEAD_").map(|(at, _)| at);
        for start in starts {
            let name_of = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let variable: String = text[start..].chars().take_while(|c| name_of(*c)).collect();
            let own = ["ROADSTEAD_IMAGE", "ROADSTEAD_PORT", "ROADSTEAD_X", "ROADSTEAD_X_FILE"];
            let known = known.contains(&variable) || own.contains(&variable.as_str());
            assert!(known, "{name}: {variable} is no setting");
        }
    }
}
