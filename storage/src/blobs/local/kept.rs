//! Files and windows that are kept for the next reader.
//!
//! An object is written once, so an open file stays right as long as it has its name. Nothing is
//! kept for long: what nobody asked for during some seconds is closed, and a key that is deleted is
//! forgotten before and after, so that its space is free as soon as its last reader is done.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use roadstead_model::ObjectKey;
use roadstead_pages::Window;
use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use super::buffers::Buffer;
use super::file::OpenFile;

/// How many files are kept at most,
const MOST_FILES: usize = 512;
/// and which part of what the process may have open.
const SHARE_OF_FILES: u64 = 8;
/// How many windows are kept at most.
const MOST_WINDOWS: usize = 128;
/// How long nobody looks again whether a file still has its name.
const FRESH: Duration = Duration::from_secs(1);
/// How long something is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(10);
/// How often that is looked after.
const SWEEP: Duration = Duration::from_secs(2);

/// What is kept. Copies share it.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Rack>>);

#[derive(Default)]
struct Rack {
    files: HashMap<ObjectKey, Entry>,
    /// Whether somebody looks after it.
    swept: bool,
}

struct Entry {
    file: OpenFile,
    looked: Instant,
    used: Instant,
    windows: BTreeMap<u64, (Window, Instant)>,
}

/// A file that was kept.
pub(super) struct Found {
    pub(super) file: OpenFile,
    /// Whether the finder should see whether it still is what the key names.
    pub(super) look: bool,
}

impl Kept {
    fn rack(&self) -> MutexGuard<'_, Rack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a key.
    pub(super) fn find(&self, key: &ObjectKey) -> Option<Found> {
        let (mut rack, now) = (self.rack(), Instant::now());
        let entry = rack.files.get_mut(key)?;
        entry.used = now;
        let look = now.duration_since(entry.looked) >= FRESH;
        if look {
            // One looks for all.
            entry.looked = now;
        }
        Some(Found { file: entry.file.clone(), look })
    }

    /// Keeps a file that was just opened. It is closed again when it lost its name meanwhile:
    /// either that is seen here, or whoever deletes it forgets it afterwards.
    pub(super) fn keep(&self, key: &ObjectKey, file: &OpenFile) {
        let most = most_files();
        if most == 0 {
            return;
        }
        let now = Instant::now();
        let windows = BTreeMap::new();
        let entry = Entry { file: file.clone(), looked: now, used: now, windows };
        let mut rack = self.rack();
        let mut out = Vec::new();
        while rack.files.len() >= most && !rack.files.contains_key(key) {
            let oldest = rack.files.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            out.extend(rack.files.remove(&oldest));
        }
        out.extend(rack.files.insert(key.clone(), entry));
        let sweep = !std::mem::replace(&mut rack.swept, true);
        drop(rack);
        drop(out);
        if !matches!(file.length(), Ok(Some(_))) {
            self.forget(key);
        }
        if sweep {
            self.sweep_for_a_while();
        }
    }

    /// `length` bytes of a kept file from `start` on; of another one as well, but that is not kept.
    pub(super) fn window(
        &self,
        key: &ObjectKey,
        file: &OpenFile,
        start: u64,
        length: usize,
    ) -> std::io::Result<Window> {
        let now = Instant::now();
        if let Some(entry) = self.rack().files.get_mut(key)
            && let Some((window, used)) = entry.windows.get_mut(&start)
            && entry.file.is(file)
        {
            *used = now;
            return Ok(window.clone());
        }
        let window = Window::of(file.file(), start, length)?;
        let mut rack = self.rack();
        let mut out = None;
        if let Some(entry) = rack.files.get_mut(key)
            && entry.file.is(file)
        {
            entry.windows.insert(start, (window.clone(), now));
            out = rack.one_too_many();
        }
        drop(rack);
        drop(out);
        Ok(window)
    }

    /// Closes what is kept of a key.
    pub(super) fn forget(&self, key: &ObjectKey) {
        let entry = self.rack().files.remove(key);
        drop(entry);
    }

    /// Closes everything: somebody needs the file descriptors.
    pub(super) fn give_way(&self) {
        let files = std::mem::take(&mut self.rack().files);
        drop(files);
    }

    /// Looks after the rack until it is empty.
    fn sweep_for_a_while(&self) {
        let rack = Arc::downgrade(&self.0);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.rack().swept = false;
            return;
        };
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let rack = Weak::clone(&rack);
                // To unmap takes its time.
                let swept = tokio::task::spawn_blocking(move || match rack.upgrade() {
                    Some(rack) => Self(rack).sweep(),
                    None => false,
                });
                if !swept.await.unwrap_or(false) {
                    return;
                }
            }
        });
    }

    /// Closes what nobody asks for any more; false when nothing is left.
    fn sweep(&self) -> bool {
        let (mut rack, now) = (self.rack(), Instant::now());
        let idle = |used: Instant| now.duration_since(used) >= IDLE;
        let files = rack.files.extract_if(|_, entry| {
            idle(entry.used) && entry.windows.values().all(|(_, used)| idle(*used))
                || !matches!(entry.file.length(), Ok(Some(_)))
        });
        let files: Vec<_> = files.collect();
        let windows: Vec<_> = rack
            .files
            .values_mut()
            .flat_map(|entry| entry.windows.extract_if(.., |_, (_, used)| idle(*used)))
            .collect();
        rack.swept = !rack.files.is_empty();
        let more = rack.swept;
        drop(rack);
        drop((files, windows));
        if !more {
            Buffer::free_all();
        }
        more
    }
}

impl Rack {
    /// Takes out the window that was asked for longest ago, when there are too many.
    fn one_too_many(&mut self) -> Option<Window> {
        let windows = self.files.iter().flat_map(|(key, entry)| {
            entry.windows.iter().map(move |(start, (_, used))| (used, key, *start))
        });
        let (count, oldest) = windows.fold((0, None), |(count, oldest), window| {
            let older = |than: &(&Instant, _, _)| window.0 < than.0;
            let oldest = if oldest.as_ref().is_none_or(older) { Some(window) } else { oldest };
            (count + 1, oldest)
        });
        let (_, key, start) = oldest.filter(|_| count > MOST_WINDOWS)?;
        let key = key.clone();
        self.files.get_mut(&key)?.windows.remove(&start).map(|(window, _)| window)
    }
}

/// How many files may be kept. The limit can change while the process runs.
fn most_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / SHARE_OF_FILES).unwrap_or(usize::MAX).min(MOST_FILES)
}
