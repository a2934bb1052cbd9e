//! Where real calls go: Asterisk tells of each step over AMI, and the dialplan names those that are nodes of the call graph.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use pbx_lab::{Asterisk, until};

/// One step of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The channel's unique id.
    pub channel: String,
    /// What the step is called; nothing where a key is listened for.
    pub step: Option<String>,
}

/// What the nodes are called whose first steps are at a context and an extension, as the dialplan has it in its comments.
#[derive(Debug, Default)]
struct Names {
    as_of: Option<SystemTime>,
    names: HashMap<(String, String), String>,
}

impl Names {
    /// What a step that is told of is called, if it is the first one of a node or an answer of a filter or of a schedule.
    fn step<'e>(&mut self, dialplan: &Path, said: &impl Fn(&str) -> &'e str) -> Option<String> {
        let (context, extension) = (said("Context"), said("Extension"));
        if said("Application") == "Return" {
            let of = |prefix| context.strip_prefix(prefix).filter(|_| !said("AppData").is_empty());
            return of("pbx-filter-")
                .or_else(|| of("pbx-allow-"))
                .map(|name| format!("filter/{name}={}", said("AppData")))
                .or_else(|| of("pbx-schedule-").map(|name| format!("schedule/{name}={}", said("AppData"))));
        }
        if said("Priority") != "1" || !context.starts_with("pbx-") {
            return None;
        }
        self.read(dialplan);
        // Patterns are named by what they are the pattern of.
        let pattern = || {
            let own = self.names.iter().filter(|((of, pattern), _)| of == context && takes(pattern, extension));
            own.max_by_key(|((_, pattern), _)| pattern.len()).map(|(_, name)| name.replace("${EXTEN}", extension))
        };
        self.names.get(&(context.to_owned(), extension.to_owned())).cloned().or_else(pattern)
    }

    /// Reads the dialplan again, if it has changed.
    fn read(&mut self, dialplan: &Path) {
        let as_of = fs::metadata(dialplan).and_then(|of| of.modified()).ok();
        if as_of == self.as_of && as_of.is_some() {
            return;
        }
        self.as_of = as_of;
        let mut context = String::new();
        self.names.clear();
        for line in fs::read_to_string(dialplan).unwrap_or_default().lines() {
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut context);
            } else if let Some(rest) = line.strip_prefix("exten => ")
                && let Some((extension, _)) = rest.split_once(",1,")
                && let Some((_, name)) = rest.rsplit_once(" ; ")
            {
                self.names.insert((context.clone(), extension.to_owned()), name.to_owned());
            }
        }
    }
}

/// Whether a pattern, of those that nodes have, takes an extension.
fn takes(pattern: &str, extension: &str) -> bool {
    let Some(pattern) = pattern.strip_prefix('_') else { return false };
    match pattern.split_once(['X', '[']) {
        Some((begins, _)) => extension.starts_with(begins) && extension.len() > begins.len(),
        None => false,
    }
}

#[derive(Debug, Default)]
struct Seen {
    visits: Mutex<Vec<Visit>>,
    /// The channels that are gone: whatever they did is told before that.
    gone: Mutex<HashSet<String>>,
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
        write!(stream, "Action: Login\r\nUsername: pbxd\r\nSecret: {secret}\r\nEvents: dialplan,call\r\n\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let answer = lines.by_ref().find(|line| line.as_ref().map_or(true, |line| line.starts_with("Response:")));
        let answer = answer.context("the manager interface closed")??;
        ensure!(answer == "Response: Success", "the manager interface says: {answer}");
        let seen = Arc::new(Seen::default());
        let into = Arc::clone(&seen);
        let dialplan = asterisk.etc().join("pbx.d/current/extensions.conf");
        let reader = std::thread::spawn(move || {
            let mut event: HashMap<String, String> = HashMap::new();
            let mut names = Names::default();
            for line in lines.map_while(Result::ok) {
                if let Some((key, value)) = line.split_once(": ") {
                    event.insert(key.to_owned(), value.to_owned());
                } else if line.is_empty() {
                    let event = std::mem::take(&mut event);
                    let said = |key: &str| event.get(key).map(String::as_str).unwrap_or_default();
                    if said("Event") == "Hangup" {
                        let channel = said("Uniqueid").to_owned();
                        into.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(channel);
                    }
                    if said("Event") != "Newexten" {
                        continue;
                    }
                    let step = names.step(&dialplan, &said);
                    if step.is_some() || said("Application") == "Read" {
                        let visit = Visit { channel: said("Uniqueid").to_owned(), step };
                        into.visits.lock().unwrap_or_else(PoisonError::into_inner).push(visit);
                        into.more.notify_all();
                    }
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

    /// Waits until the first call since `since` is over, and gives its steps.
    pub fn whole(&self, since: usize, timeout: Duration) -> Result<Vec<String>> {
        let visits = || self.seen.visits.lock().unwrap_or_else(PoisonError::into_inner);
        until("the end of a call", timeout, || {
            let channel = visits().get(since).map(|visit| visit.channel.clone());
            let gone = self.seen.gone.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(channel.filter(|channel| gone.contains(channel)))
        })?;
        Ok(self.since(since))
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
