//! The client in `web/`: its types are those of the document, and a program that uses it compiles
//! and works.

use std::path::Path;
use std::process::Command;

use roadstead_tests::{ADMIN_PASSWORD, Setup};
use serde_json::Value;

const WEB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web");

/// Runs a program of Node.js in `web/`, which must succeed.
fn node(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let path = format!("{WEB}/{script}");
    assert!(Path::new(&path).exists(), "{path} is missing; `make tools` installs what is needed");
    let mut command = Command::new("node");
    command.arg(path).args(arguments).current_dir(WEB).envs(variables.iter().copied());
    let output = command.output().expect("Node.js; `make tools` installs it");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{script} {arguments:?}:\n{text}");
    text
}

#[test]
fn the_types_of_the_client_are_those_of_the_document() {
    let scratch = tempfile::tempdir().expect("a directory");
    let made = scratch.path().join("schema.ts");
    let package = std::fs::read_to_string(format!("{WEB}/package.json")).expect("a file");
    let package: Value = serde_json::from_str(&package).expect("JSON");
    let script = package["scripts"]["client"].as_str().expect("a script");
    let words = script.split(' ').skip(1);
    let arguments: Vec<&str> = words
        .map(
            |word| {
                if word == "src/client/schema.ts" { made.to_str().expect("a path") } else { word }
            },
        )
        .collect();
    node("node_modules/openapi-typescript/bin/cli.js", &arguments, &[]);
    let [made, kept] = [&made, Path::new(&format!("{WEB}/src/client/schema.ts"))]
        .map(|path| std::fs::read_to_string(path).expect("types"));
    assert!(made == kept, "web/src/client/schema.ts is not what the document says: `make client`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_uses_the_client_compiles_strictly_and_works() {
    node("node_modules/typescript/bin/tsc", &[], &[]);
    let server = Setup::new().start();
    let address = server.url("");
    let variables = [("ADDRESS", &*address), ("USERNAME", "admin"), ("PASSWORD", ADMIN_PASSWORD)];
    let told = node("dist/test/projects.js", &[], &variables);
    assert_eq!(told.trim(), "typed");
    assert_eq!(server.admin().read("/projects/typed").await["name"], "typed");
}
