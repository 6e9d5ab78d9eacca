use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use roadstead_model::{Algorithm, ObjectKey};
use rustix::fs::{Advice, fadvise};

use crate::blobs::{BlobStream, Layout, Session};
use crate::tables::tombstone::Grave;
use crate::{Blobs, ContentHash, Error};

/// A store on a disk: what is in memory only cannot be cold.
struct Shop {
    directory: tempfile::TempDir,
    blobs: Blobs,
}

impl Shop {
    async fn open() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let blobs = Blobs::open(directory.path().join("blobs")).await.unwrap();
        Self { directory, blobs }
    }

    async fn push(&self, bytes: &Bytes) -> ObjectKey {
        let (key, layout) = (ObjectKey::fresh(), Layout::default());
        let session = Session { key: &key, received: 0, layout: &layout, expected: None };
        let hash = ContentHash::new(Algorithm::Sha256);
        let staged = self.blobs.stage(session, hash);
        let staged = staged.write(vec![bytes.clone()]).await.unwrap();
        self.blobs.publish(staged, None).await.unwrap()
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.directory.path().join("blobs").join(key.as_str())
    }

    async fn serve(&self, key: &ObjectKey, size: usize) -> crate::Result<BlobStream> {
        let size = size as u64;
        self.blobs.serve(key, size, 0..size).await.map(BlobStream::for_the_kernel)
    }
}

/// How often this process has a path open, and mapped.
fn held(path: &Path) -> (usize, usize) {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let open = |fd: &std::fs::DirEntry| {
        std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains(name))
    };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let files = fds.filter_map(Result::ok).filter(open).count();
    (files, maps.lines().filter(|line| line.contains(name)).count())
}

fn noise(random: &mut StdRng, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes[..]);
    bytes.into()
}

async fn read(stream: &mut BlobStream, start: usize, end: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while start + read.len() < end {
        let at = (start + read.len()) as u64;
        read.extend_from_slice(&stream.piece(at, end as u64).await.unwrap());
    }
    read
}

#[tokio::test]
async fn ranges_are_right_wherever_windows_begin_and_whatever_is_in_memory() {
    let seed = std::env::var("ROADSTEAD_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("ROADSTEAD_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let shop = Shop::open().await;
    // More than one span, and no whole number of pages.
    let bytes = noise(&mut random, (33 << 20) + 77);
    let key = shop.push(&bytes).await;
    let file = std::fs::File::open(shop.path(&key)).unwrap();
    for round in 0..60 {
        let start = random.random_range(0..bytes.len());
        let end = random.random_range(start..=bytes.len().min(start + (5 << 20)));
        if round % 4 == 0 {
            let from = random.random_range(0..bytes.len()) as u64;
            fadvise(&file, from, None, Advice::DontNeed).unwrap();
        }
        let mut stream = shop.serve(&key, bytes.len()).await.unwrap();
        assert!(read(&mut stream, start, end).await == bytes[start..end], "{start}..{end}");
    }
    let edge = 32 << 20;
    let mut stream = shop.serve(&key, bytes.len()).await.unwrap();
    assert!(read(&mut stream, edge - 200_000, bytes.len()).await == bytes[edge - 200_000..]);
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_and_not_mapped() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(1), 8 << 20);
    let key = shop.push(&bytes).await;
    let mut stream = shop.serve(&key, bytes.len()).await.unwrap();
    let warm = stream.piece(0, bytes.len() as u64).await.unwrap();
    assert_eq!(warm.len(), 2 << 20, "a window");
    let file = std::fs::File::open(shop.path(&key)).unwrap();
    fadvise(&file, 4 << 20, None, Advice::DontNeed).unwrap();
    let at = (4 << 20) as u64;
    let cold = stream.piece(at, bytes.len() as u64).await.unwrap();
    assert!(cold.len() <= 256 << 10, "{}", cold.len());
    assert_eq!(cold[..], bytes[4 << 20..(4 << 20) + cold.len()]);
    let warm = stream.piece(2 << 20, at).await.unwrap();
    assert!(warm.len() <= 256 << 10, "who met the disk goes on by copying");
}

#[tokio::test]
async fn only_who_asks_for_windows_gets_any() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(2), 1 << 20);
    let key = shop.push(&bytes).await;
    let size = bytes.len() as u64;
    for mut stream in [
        shop.blobs.serve(&key, size, 0..size).await.unwrap(),
        shop.blobs.read(&key, size, 0..size).await.unwrap().for_the_kernel(),
    ] {
        assert_eq!(stream.piece(0, size).await.unwrap().len(), 256 << 10);
        assert_eq!(held(&shop.path(&key)).1, 0);
    }
}

#[tokio::test]
async fn what_is_deleted_is_kept_by_its_readers_only() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(3), 1 << 20);
    let (key, size) = (shop.push(&bytes).await, bytes.len());
    let mut stream = shop.serve(&key, size).await.unwrap();
    let piece = stream.piece(0, size as u64).await.unwrap();
    let path = shop.path(&key);
    assert_eq!(held(&path), (1, 1));
    assert!(shop.blobs.delete(&[Grave::from(&key)]).await.unwrap().is_empty());
    assert_eq!(read(&mut stream, 0, size).await, bytes);
    drop(stream);
    assert_eq!(held(&path), (0, 1));
    drop(piece);
    assert_eq!(held(&path), (0, 0));
    assert!(matches!(shop.serve(&key, size).await, Err(Error::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_while_it_is_deleted_does_not_keep_it() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(4), 200 << 10);
    let mut served = 0;
    for _ in 0..50 {
        let key = shop.push(&bytes).await;
        let (blobs, size, grave) = (shop.blobs.clone(), bytes.len() as u64, [Grave::from(&key)]);
        let asked = key.clone();
        let reader = tokio::spawn(async move {
            let stream = blobs.serve(&asked, size, 0..size).await;
            let Ok(mut stream) = stream.map(BlobStream::for_the_kernel) else { return false };
            stream.piece(0, size).await.is_ok()
        });
        shop.blobs.delete(&grave).await.unwrap();
        served += usize::from(reader.await.unwrap());
        assert_eq!(held(&shop.path(&key)), (0, 0));
    }
    println!("{served} of 50 were served");
}

#[tokio::test]
async fn an_object_that_is_cut_or_taken_away_or_replaced_is_noticed() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(5), 300_000);
    let cut = shop.push(&bytes).await;
    let (removed, moved) = (shop.push(&bytes).await, shop.push(&bytes).await);
    for key in [&cut, &removed, &moved] {
        shop.serve(key, bytes.len()).await.unwrap();
    }
    let file = std::fs::File::options().write(true).open(shop.path(&cut)).unwrap();
    file.set_len(299_999).unwrap();
    drop(file);
    std::fs::remove_file(shop.path(&removed)).unwrap();
    let elsewhere = shop.directory.path().join("elsewhere");
    std::fs::rename(shop.path(&moved), &elsewhere).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    for key in [&cut, &removed, &moved] {
        let served = shop.serve(key, bytes.len()).await;
        assert!(matches!(served, Err(Error::Damaged { .. })), "{key}");
        assert_eq!(held(&shop.path(key)), (0, 0));
    }
    std::fs::rename(&elsewhere, shop.path(&removed)).unwrap();
    let mut healed = shop.serve(&removed, bytes.len()).await.unwrap();
    assert_eq!(read(&mut healed, 0, bytes.len()).await, bytes);
}

#[tokio::test]
async fn what_nobody_asks_for_is_closed_after_a_while() {
    let shop = Shop::open().await;
    let bytes = noise(&mut StdRng::seed_from_u64(6), 300_000);
    let key = shop.push(&bytes).await;
    let mut stream = shop.serve(&key, bytes.len()).await.unwrap();
    drop(stream.piece(0, 300_000).await.unwrap());
    drop(stream);
    assert_eq!(held(&shop.path(&key)), (1, 1));
    tokio::time::pause();
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if held(&shop.path(&key)) == (0, 0) {
            return;
        }
    }
    panic!("it is still open: {:?}", held(&shop.path(&key)));
}
