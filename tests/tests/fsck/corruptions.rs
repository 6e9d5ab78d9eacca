use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use roadstead_tests::content::{random_bytes, rng};
use roadstead_tests::{Server, Setup, store};

use super::{faults, keep_busy, report};

const ROUNDS: usize = 5;
const PER_ROUND: usize = 10;

/// An image whose layer is going to suffer.
struct Victim {
    tag: String,
    layer: Vec<u8>,
    digest: String,
    file: PathBuf,
}

async fn victims(server: &Server, rng: &mut StdRng, count: usize) -> Vec<Victim> {
    let mut victims = Vec::new();
    for n in 0..count {
        let length = rng.random_range(1000..300_000);
        let (tag, layer) = (format!("v{n}"), random_bytes(rng, length));
        server.admin().push_image("library/victims", &tag, &layer).await;
        let digest = roadstead_tests::content::sha256(&layer);
        victims.push(Victim { tag, layer, digest, file: PathBuf::new() });
    }
    locate(server, &mut victims).await;
    victims
}

/// Finds the victims' files. What a repair took away lies beside what was pushed again until it is
/// collected, and nobody misses it: it is waited for, or the wrong one would suffer.
async fn locate(server: &Server, victims: &mut [Victim]) {
    let blobs = server.data().join("blobs");
    for _ in 0..600 {
        let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for file in store::objects(&blobs) {
            if let Some(digest) = store::label(&file) {
                files.entry(digest).or_default().push(file);
            }
        }
        if victims.iter().all(|victim| files[&victim.digest].len() == 1) {
            for victim in victims {
                victim.file = files[&victim.digest][0].clone();
            }
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("what was repaired was not collected in a minute");
}

fn flip(rng: &mut StdRng, file: &Path) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let at = rng.random_range(0..file.metadata().unwrap().len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << rng.random_range(0..8))], at).unwrap();
}

fn resize(file: &Path, change: impl Fn(u64) -> u64) {
    let file = File::options().write(true).open(file).unwrap();
    file.set_len(change(file.metadata().unwrap().len())).unwrap();
}

/// An object under a key of the store's own form that no row knows.
fn orphan(rng: &mut StdRng, beside: &Path) -> (String, String) {
    let middle: String =
        (0..8).map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)])).collect();
    let old = beside.file_name().unwrap().to_str().unwrap();
    // Its end names the directory that it is in.
    let (start, end) = (&old[..old.len() - 10], &old[old.len() - 2..]);
    let file = beside.with_file_name(format!("{start}{middle}{end}"));
    fs::write(&file, b"left behind").unwrap();
    let shard = beside.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let key = format!("b/{shard}/{}", file.file_name().unwrap().to_str().unwrap());
    ("orphaned".to_owned(), format!("object {key}"))
}

/// Damages the data in one way; returns what must be reported.
fn corrupt(rng: &mut StdRng, victims: &mut Vec<&Victim>) -> Vec<(String, String)> {
    let fault = |kind: &str, victim: &Victim| (kind.to_owned(), format!("blob {}", victim.digest));
    let victim = victims.pop().unwrap();
    match rng.random_range(0..6) {
        0 => {
            flip(rng, &victim.file);
            vec![fault("flipped", victim)]
        }
        1 => {
            resize(&victim.file, |size| size / 2);
            vec![fault("truncated", victim)]
        }
        2 => {
            resize(&victim.file, |size| size + 1);
            vec![fault("overlong", victim)]
        }
        3 => {
            fs::remove_file(&victim.file).unwrap();
            vec![fault("missing", victim)]
        }
        4 => {
            let other = victims.pop().unwrap();
            let aside = victim.file.with_extension("aside");
            fs::rename(&victim.file, &aside).unwrap();
            fs::rename(&other.file, &victim.file).unwrap();
            fs::rename(&aside, &other.file).unwrap();
            vec![fault("swapped", victim), fault("swapped", other)]
        }
        _ => vec![orphan(rng, &victim.file)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_corruption_is_found_and_nothing_else_while_clients_push() {
    let mut rng = rng();
    let server = Setup::new()
        .env("ROADSTEAD_JOB_INTERVAL", "100ms")
        .env("ROADSTEAD_DELETION_GRACE", "0s")
        .start();
    let busy: Vec<_> = ["library/busy-1", "library/busy-2", "library/busy-3"]
        .map(|name| keep_busy(server.admin(), name))
        .into();
    let mut victims = victims(&server, &mut rng, 2 * PER_ROUND).await;
    for _ in 0..5 {
        server.assert_clean(&[]);
        server.assert_clean(&["--deep"]);
    }
    let mut corruptions = 0;
    for _ in 0..ROUNDS {
        let mut order: Vec<&Victim> = victims.iter().collect();
        order.shuffle(&mut rng);
        let mut expected = Vec::new();
        for _ in 0..PER_ROUND {
            expected.extend(corrupt(&mut rng, &mut order));
            corruptions += 1;
        }
        expected.sort();
        let (code, found) = report(&server, &["--deep"]);
        let mut seen = faults(&found);
        seen.sort();
        assert_eq!((code, &seen), (Some(1), &expected));
        for fault in found["faults"].as_array().unwrap() {
            let suffers = |v: &&Victim| fault["subject"] == format!("blob {}", v.digest);
            if let Some(victim) = victims.iter().find(suffers) {
                let tag = format!("library/victims:{}", victim.tag);
                assert_eq!(fault["affects"], serde_json::json!([tag]));
            }
        }
        assert_eq!(report(&server, &["--deep", "--repair"]).0, Some(1));
        for victim in &victims {
            // Who asks whether it is there is told to send it again.
            server.admin().push_image("library/victims", &victim.tag, &victim.layer).await;
        }
        server.assert_clean(&["--deep"]);
        locate(&server, &mut victims).await;
    }
    println!("{corruptions} corruptions, all found; no false alarm while pushing");
    assert!(busy.iter().all(|task| !task.is_finished()), "a pusher was told something wrong");
    busy.iter().for_each(tokio::task::JoinHandle::abort);
}
