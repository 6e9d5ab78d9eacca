//! A TCP proxy between a server and what it depends on, with faults that are switched on and off.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to bytes and connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: all is passed on.
    #[default]
    None,
    /// New connections end at once; the open ones were cut.
    Refuse,
    /// Bytes are taken and kept back, in both directions, until the fault ends.
    Stall,
    /// Each piece of bytes comes later by this.
    Delay(Duration),
    /// Each connection ends after so many bytes from the other side, in the middle of whatever.
    CutAfter(u64),
    /// A request with these bytes arrives, and its connection ends instead of bringing the answer.
    /// Once; then all is passed on.
    LoseAnswer(&'static [u8]),
}

/// A running proxy; ends with its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: Mutex<SocketAddr>,
    fault: Mutex<Fault>,
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicU64,
    lost: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback, in front of `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            target: Mutex::new(target),
            fault: Mutex::default(),
            open: Mutex::default(),
            accepted: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = state.clone();
        thread::spawn(move || accepting.accept(&listener));
        Self { address, state }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Switches a fault on; [`Fault::None`] ends it. With [`Fault::Refuse`], what is open is cut.
    pub fn set(&self, fault: Fault) {
        let refuses = fault == Fault::Refuse;
        *lock(&self.state.fault) = fault;
        if refuses {
            self.cut();
        }
    }

    /// Leads to another place from now on; what is open is cut.
    pub fn lead_to(&self, target: SocketAddr) {
        *lock(&self.state.target) = target;
        self.cut();
    }

    /// Cuts every open connection.
    pub fn cut(&self) {
        for stream in lock(&self.state.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections were made so far.
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// How many answers were lost on purpose so far.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.cut();
        // The listening thread looks at the end when somebody connects.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection, as both directions see it.
#[derive(Debug, Default)]
struct Pair {
    mute: AtomicBool,
    passed: AtomicU64,
}

impl State {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            self.accepted.fetch_add(1, Ordering::Relaxed);
            if *lock(&self.fault) == Fault::Refuse {
                continue;
            }
            let state = self.clone();
            thread::spawn(move || state.connect(&stream));
        }
    }

    fn connect(self: Arc<Self>, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(*lock(&self.target)) else {
            return;
        };
        let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        lock(&self.open).extend([copy(client), copy(&server)]);
        let pair = Arc::new(Pair::default());
        let (up, down) = ((copy(client), copy(&server)), (copy(&server), copy(client)));
        let (state, other) = (self.clone(), pair.clone());
        thread::spawn(move || state.pump(up.0, up.1, &other, true));
        self.pump(down.0, down.1, &pair, false);
    }

    /// Moves bytes in one direction until an end, a fault, or the end of the proxy.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, pair: &Pair, up: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let piece = &buffer[..n];
            let goes_on = if up { self.request(piece, pair) } else { self.answer(piece, pair) };
            if !goes_on || to.write_all(piece).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn request(&self, piece: &[u8], pair: &Pair) -> bool {
        self.wait();
        let mut fault = lock(&self.fault);
        if let Fault::LoseAnswer(bytes) = *fault
            && piece.windows(bytes.len()).any(|window| window == bytes)
        {
            *fault = Fault::None;
            pair.mute.store(true, Ordering::SeqCst);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    fn answer(&self, piece: &[u8], pair: &Pair) -> bool {
        self.wait();
        let passed = pair.passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
        let most = match *lock(&self.fault) {
            Fault::CutAfter(most) => most,
            _ => u64::MAX,
        };
        !pair.mute.load(Ordering::SeqCst) && passed + (piece.len() as u64) <= most
    }

    /// Waits as long as the fault at hand says.
    fn wait(&self) {
        let delay = match *lock(&self.fault) {
            Fault::Delay(time) => time,
            _ => Duration::ZERO,
        };
        thread::sleep(delay);
        while *lock(&self.fault) == Fault::Stall && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
