//! The services of docker-compose.yml, with images made from Debian packages and from the built
//! binary: they start in order, work together, and survive the loss of one.

use std::path::Path;
use std::time::{Duration, Instant};

use roadstead_tests::binary;
use serde_json::Value;

use crate::engine::Engine;
use crate::files::top;

const HOST: &str = "127.0.0.1:8080";

impl Engine {
    /// The state, the health and the exit code of a service's container.
    fn state(&self, service: &str) -> (String, String, i64) {
        let line = self.ok(&format!("docker compose ps --all --format json {service}"));
        let state: Value = serde_json::from_str(&line).expect("JSON");
        let word = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
        (word("State"), word("Health"), state["ExitCode"].as_i64().unwrap_or(-1))
    }

    fn assert_healthy(&self, service: &str) {
        let state = self.state(service);
        assert_eq!((state.0.as_str(), state.1.as_str()), ("running", "healthy"), "{service}");
    }

    fn image(&self, name: &str, bytes: usize) -> String {
        let layer = self.scratch().join(format!("{name}.tar"));
        let content = self.scratch().join(name);
        std::fs::write(&content, vec![7; bytes]).expect("a file");
        let directory = self.scratch().display();
        self.ok(&format!("tar -C {directory} -cf {} {name}", layer.display()));
        let image = format!("{HOST}/library/{name}:1");
        self.ok(&format!("crane append --insecure -f {} -t {image}", layer.display()));
        image
    }
}

fn make_images(engine: &Engine) {
    let script = top().join("tests/tests/deployment/images/make.sh");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deployment");
    let binary = binary();
    let (script, cache, binary) = (script.display(), cache.display(), binary.display());
    engine.ok_outside(&format!("{script} {cache} {binary}"));
}

/// One command brings everything up, and another one does no harm.
fn everything_comes_up_in_order(engine: &Engine) {
    for _ in 0..2 {
        engine.ok("docker compose up --detach --no-build --wait --wait-timeout 120");
    }
    assert_eq!(engine.state("init").2, 0, "the secrets were not made");
    for service in ["postgres", "s3", "roadstead-a", "roadstead-b", "proxy"] {
        engine.assert_healthy(service);
    }
    let password = engine
        .ok("docker compose run --rm --quiet-pull init cat /secrets/roadstead/admin-password");
    assert!(password.len() >= 20, "{password}");
    engine.ok(&format!("crane auth login {HOST} -u admin -p {password}"));
}

/// Nothing is printed that is a secret, and nothing is written.
fn containers_keep_to_themselves(engine: &Engine) {
    let logs = engine.ok("docker compose logs --no-color");
    let files = "docker compose run --rm --quiet-pull init cat";
    for name in ["admin-password", "database-password", "s3-secret-key", "secret-key"] {
        let secret = engine.ok(&format!("{files} /secrets/roadstead/{name}"));
        assert!(!logs.contains(&secret), "{name} is in a log");
        let inspected = engine.ok("docker inspect roadstead-roadstead-a-1");
        assert!(!inspected.contains(&secret), "{name} is in a container's configuration");
    }
    let changed = engine.ok("docker diff roadstead-roadstead-a-1");
    let written = changed.lines().filter(|line| !line.contains("/run"));
    assert_eq!(written.collect::<Vec<_>>(), Vec::<&str>::new(), "it wrote to its root");
}

/// A server that dies is missed by nobody, and one that is told to stop leaves in order.
fn one_server_is_enough(engine: &Engine, image: &str) {
    engine.ok("docker kill roadstead-roadstead-a-1");
    for n in 0..6 {
        engine.ok(&format!("crane manifest --insecure {image}"));
        engine.image(&format!("while-one-is-dead-{n}"), 100_000);
    }
    engine.ok("docker compose up --detach --no-build --wait --wait-timeout 120");
    engine.assert_healthy("roadstead-a");
    let since = Instant::now();
    engine.ok("docker compose stop roadstead-b");
    assert_eq!(engine.state("roadstead-b").2, 0, "it was killed");
    assert!(since.elapsed() < Duration::from_secs(40), "it drained for {:?}", since.elapsed());
    engine.image("while-one-is-stopped", 100_000);
    engine.ok("docker compose up --detach --no-build --wait --wait-timeout 120");
}

/// What is in the volumes is there after everything else was thrown away.
fn data_outlives_the_containers(engine: &Engine, image: &str) {
    let digest = engine.ok(&format!("crane digest --insecure {image}"));
    engine.ok("docker compose down --timeout 20");
    engine.ok("docker compose up --detach --no-build --wait --wait-timeout 120");
    assert_eq!(engine.ok(&format!("crane digest --insecure {image}")), digest);
    let there = engine.scratch().join("pulled.tar");
    engine.ok(&format!("crane pull --insecure {image} {}", there.display()));
    engine.ok("docker compose exec -T roadstead-a /roadstead fsck --deep");
}

#[test]
fn the_services_start_in_order_work_together_and_miss_nobody() {
    let engine = Engine::start();
    make_images(&engine);
    everything_comes_up_in_order(&engine);
    let image = engine.image("first", 20_000_000);
    one_server_is_enough(&engine, &image);
    containers_keep_to_themselves(&engine);
    data_outlives_the_containers(&engine, &image);
}
