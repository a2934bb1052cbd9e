//! A way between pbxd and what it talks to, that can be cut, held up or left half open at a chosen word.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};

use crate::SOON;

/// What happens to a connection when its client says a certain word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What it said, and all that follows, waits until [`Trap::release`]; the other direction goes on.
    Hold,
    /// From then on nothing passes in either direction, and the connection stays open.
    Silence,
    /// It is closed, before the word has passed.
    Cut,
    /// The word passes, and the connection is closed before the answer does.
    CutAnswer,
    /// The same, and so is every other connection and each new one, until [`Proxy::restore`].
    Gone,
}

/// Waits for a word; see [`Proxy::at`].
#[derive(Debug)]
pub struct Trap {
    sprung: Receiver<()>,
    go: Sender<()>,
}

impl Trap {
    /// Waits until the word was said.
    ///
    /// # Errors
    /// When it is not said soon.
    pub fn wait(&self) -> Result<()> {
        self.sprung.recv_timeout(SOON).context("what was waited for was not said")
    }

    /// Whether the word was said.
    pub fn is_sprung(&self) -> bool {
        self.sprung.try_recv().is_ok()
    }

    /// Lets what was held go on.
    pub fn release(self) {
        let _ = self.go.send(());
    }
}

#[derive(Debug)]
struct Set {
    word: Vec<u8>,
    fault: Fault,
    sprung: Sender<()>,
    go: Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    set: Mutex<Vec<Set>>,
    open: Mutex<Vec<TcpStream>>,
    refuses: AtomicBool,
    ended: AtomicBool,
}

/// A port of its own that leads to another one.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// One that leads to an address.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn to(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to,
            set: Mutex::default(),
            open: Mutex::default(),
            refuses: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                if !accepting.refuses.load(Ordering::SeqCst) {
                    connect(&accepting, client);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets a trap: when a client says `word`, once, this happens to its connection. Others and later ones go on as before.
    pub fn at(&self, word: &str, fault: Fault) -> Trap {
        let ((sprung, has_sprung), (go, may_go)) = (channel(), channel());
        locked(&self.shared.set).push(Set { word: word.as_bytes().to_owned(), fault, sprung, go: may_go });
        Trap { sprung: has_sprung, go }
    }

    /// Closes every connection, and each new one at once, until [`Proxy::restore`].
    pub fn refuse(&self) {
        self.shared.refuse();
    }

    /// Closes every connection, the silent ones too.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Lets new connections through again, and takes all traps away.
    pub fn restore(&self) {
        locked(&self.shared.set).clear();
        self.shared.refuses.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.close();
        let _ = TcpStream::connect(self.address);
    }
}

/// Joins a client with what it wants to reach, by a thread for each direction. Who is not there is told to the client as a close.
fn connect(shared: &Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect(shared.to) else { return };
    let silent = Arc::new(AtomicBool::new(false));
    let clones = || {
        Ok::<_, std::io::Error>((client.try_clone()?, server.try_clone()?, client.try_clone()?, server.try_clone()?))
    };
    let Ok((to_close, also, client_in, server_in)) = clones() else { return };
    locked(&shared.open).extend([to_close, also]);
    let (said, answered) = (Arc::clone(shared), Arc::clone(&silent));
    thread::spawn(move || pump(client_in, server, &silent, |text| said.fault(text), || said.refuse()));
    thread::spawn(move || pump(server_in, client, &answered, |_| None, || ()));
}

impl Shared {
    fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
        self.close();
    }

    fn close(&self) {
        for stream in locked(&self.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The trap that a text springs. It is gone then.
    fn fault(&self, text: &[u8]) -> Option<Set> {
        let mut set = locked(&self.set);
        let at = set.iter().position(|set| text.windows(set.word.len()).any(|window| window == set.word))?;
        Some(set.remove(at))
    }
}

/// Passes on what one side says until it ends, or a trap is sprung that ends it.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    silent: &AtomicBool,
    sprung: impl Fn(&[u8]) -> Option<Set>,
    gone: impl Fn(),
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // A word is written at once by who says it: it is never split over two reads of a loopback connection.
        if let Some(Set { fault, sprung, go, .. }) = sprung(&buffer[..length]) {
            match fault {
                Fault::Hold => {
                    let _ = sprung.send(());
                    let _ = go.recv();
                }
                Fault::Silence => {
                    silent.store(true, Ordering::SeqCst);
                    let _ = sprung.send(());
                }
                Fault::Cut | Fault::CutAnswer | Fault::Gone => {
                    silent.store(true, Ordering::SeqCst);
                    if fault != Fault::Cut {
                        let _ = to.write_all(&buffer[..length]);
                    }
                    // The server has what was said before it sees the end; the client sees the end at once.
                    let _ = to.shutdown(Shutdown::Write);
                    if fault == Fault::Gone {
                        gone();
                    }
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = sprung.send(());
                    return;
                }
            }
        }
        if !silent.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Who is silent does not say farewell either.
    if !silent.load(Ordering::SeqCst) {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
