//! Where real calls go: each step of the dialplan names itself in its channel, and Asterisk tells of it over AMI.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pbx_lab::Asterisk;

/// One step of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The channel's unique id.
    pub channel: String,
    /// What the step is called; nothing where a key is listened for.
    pub step: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    visits: Mutex<Vec<Visit>>,
    more: Condvar,
}

/// Watches the steps of all calls, until dropped.
#[derive(Debug)]
pub struct Walk {
    seen: Arc<Seen>,
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl Walk {
    /// Begins to watch an Asterisk.
    pub fn watch(asterisk: &Asterisk) -> Result<Self> {
        let mut stream = TcpStream::connect((asterisk.address(), asterisk.ports().ami))?;
        let secret = asterisk.secret();
        write!(stream, "Action: Login\r\nUsername: pbxd\r\nSecret: {secret}\r\nEvents: dialplan\r\n\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let answer = lines.by_ref().find(|line| line.as_ref().map_or(true, |line| line.starts_with("Response:")));
        let answer = answer.context("the manager interface closed")??;
        ensure!(answer == "Response: Success", "the manager interface says: {answer}");
        let seen = Arc::new(Seen::default());
        let into = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            let (mut name, mut value, mut channel, mut application) =
                (String::new(), String::new(), String::new(), String::new());
            for line in lines.map_while(Result::ok) {
                match line.split_once(": ") {
                    Some(("Variable", variable)) => variable.clone_into(&mut name),
                    Some(("Value", text)) => text.clone_into(&mut value),
                    Some(("Uniqueid", id)) => id.clone_into(&mut channel),
                    Some(("Application", called)) => called.clone_into(&mut application),
                    None if line.is_empty() => {
                        let step = (name == "PBX_NODE").then(|| std::mem::take(&mut value));
                        if step.is_some() || application == "Read" {
                            let visit = Visit { channel: std::mem::take(&mut channel), step };
                            into.visits.lock().unwrap_or_else(PoisonError::into_inner).push(visit);
                            into.more.notify_all();
                        }
                        name.clear();
                        application.clear();
                    }
                    _ => {}
                }
            }
        });
        Ok(Self { seen, stream, reader: Some(reader) })
    }

    /// How many steps and prompts were seen.
    pub fn len(&self) -> usize {
        self.seen.visits.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The steps of the first call that has come since there were `since`, in order.
    pub fn since(&self, since: usize) -> Vec<String> {
        let visits = self.seen.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = &visits[since.min(visits.len())..];
        let Some(first) = visits.first() else { return Vec::new() };
        visits.iter().filter(|visit| visit.channel == first.channel).filter_map(|visit| visit.step.clone()).collect()
    }

    /// How often the first call since `since` was listened to.
    pub fn prompts(&self, since: usize) -> usize {
        let visits = self.seen.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = &visits[since.min(visits.len())..];
        let Some(first) = visits.first() else { return 0 };
        visits.iter().filter(|visit| visit.channel == first.channel && visit.step.is_none()).count()
    }

    /// Waits until the first call since `since` has gone so many steps, and gives them.
    pub fn wait(&self, since: usize, count: usize, timeout: Duration) -> Result<Vec<String>> {
        let deadline = Instant::now() + timeout;
        let mut visits = self.seen.visits.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let new = &visits[since.min(visits.len())..];
            let first = new.first().map(|visit| visit.channel.clone());
            let own = new.iter().filter(|visit| Some(&visit.channel) == first.as_ref());
            let steps: Vec<String> = own.filter_map(|visit| visit.step.clone()).collect();
            if steps.len() >= count {
                return Ok(steps);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the call went {} steps, not {count}: {steps:?}", steps.len());
            }
            visits = self.seen.more.wait_timeout(visits, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
