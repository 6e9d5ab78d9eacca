//! What windows promise, on a real disk.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use roadstead_pages::Window;
use rustix::fs::{Advice, fadvise};

const LENGTH: usize = 5 << 20;

/// Pages are kept and dropped in groups of up to 2 MiB, none of which is on both sides of this.
const BOUNDARY: usize = 2 << 20;

/// A file on a disk (what is in memory only is always there), and what is in it.
fn file() -> (tempfile::TempDir, File, Vec<u8>) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("file");
    let mut file = File::options().create_new(true).read(true).write(true).open(path).unwrap();
    // A prime, so that no two pages are alike.
    let bytes: Vec<u8> = (0..LENGTH).map(|n| u8::try_from(n % 251).unwrap()).collect();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    (directory, file, bytes)
}

fn mappings(path: &std::path::Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(path.to_str().unwrap())).count()
}

#[test]
fn a_window_shows_what_is_in_the_file_as_long_as_anybody_has_some_of_it() {
    let (directory, file, bytes) = file();
    let window = Window::of(&file, 1 << 20, 2 << 20).unwrap();
    assert_eq!(window.len(), 2 << 20);
    let some = window.bytes(5..100_000);
    assert_eq!(mappings(directory.path()), 1);
    drop((window.clone(), window, file));
    assert_eq!(some, bytes[(1 << 20) + 5..(1 << 20) + 100_000]);
    assert_eq!(mappings(directory.path()), 1);
    drop(some);
    assert_eq!(mappings(directory.path()), 0);
}

#[test]
fn pages_that_are_not_in_memory_are_told_from_those_that_are() {
    let (_directory, file, _) = file();
    let window = Window::of(&file, 0, LENGTH).unwrap();
    assert!(window.is_resident(0..LENGTH), "it was written just now");
    fadvise(&file, BOUNDARY as u64, None, Advice::DontNeed).unwrap();
    assert!(!window.is_resident(0..LENGTH));
    assert!(window.is_resident(0..BOUNDARY));
    assert!(window.is_resident(77..BOUNDARY - 1));
    assert!(!window.is_resident(BOUNDARY..BOUNDARY + 1));
    assert!(!window.is_resident(LENGTH..LENGTH + 1), "there is nothing behind it");
}

#[test]
fn a_page_that_is_gone_is_an_error_for_who_writes_it_and_not_the_end_of_the_process() {
    let (_directory, file, bytes) = file();
    let window = Window::of(&file, 0, LENGTH).unwrap();
    let (mut here, there) = UnixStream::pair().unwrap();
    here.write_all(&window.bytes(0..4096)).unwrap();
    file.set_len(4096).unwrap();
    assert!(!window.is_resident(0..LENGTH));
    let error = here.write_all(&window.bytes(1 << 20..(1 << 20) + 4096)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::FAULT.raw_os_error()));
    drop(here);
    let mut arrived = Vec::new();
    std::io::Read::read_to_end(&mut &there, &mut arrived).unwrap();
    assert_eq!(arrived, bytes[..4096]);
}

#[test]
fn what_cannot_be_mapped_is_an_error() {
    let (directory, file, _) = file();
    assert!(Window::of(&file, 1, 4096).is_err(), "it begins within a page");
    assert!(Window::of(&file, 0, 0).is_err(), "it is empty");
    let directory = File::open(directory.path()).unwrap();
    assert!(Window::of(&directory, 0, 4096).is_err());
    let mine = rustix::process::geteuid();
    if !mine.is_root() {
        let others = File::open("/etc/passwd").unwrap();
        let error = Window::of(&others, 0, 4096).map(|_| Bytes::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
