//! Threads that hash passwords: few, and after everything else. A flood of logins then costs
//! those who log in their time, and not those who pull.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// How much later than others the threads get a core.
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end when this is dropped.
pub(super) struct Threads(Mutex<Sender<Job>>);

impl Threads {
    /// Starts `count` threads.
    pub(super) fn start(count: usize) -> Result<Self> {
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || work(&receiver))
                .map_err(|_| Error::Crypto("no thread for passwords"))?;
        }
        Ok(Self(Mutex::new(sender)))
    }

    /// Runs `job` on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(job());
        });
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(job);
        sent.map_err(|_| Error::Crypto("the threads for passwords have ended"))?;
        receiver.await.map_err(|_| Error::Crypto("hashing was cut off"))
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    // On Linux this is the thread's own; where it is not allowed, it is no matter.
    let _ = rustix::process::nice(NICE);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
