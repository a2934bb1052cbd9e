//! Where programs of this machine listen, and where SIP transports are to.
//!
//! A transport that is moved to an address it cannot have is lost: Asterisk closes the old socket before it tries the new one, keeps
//! the old object, and binds nothing again when the old configuration comes back. So whether a bind can succeed is looked at before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use fs_err as fs;

use crate::ami::action::Command;
use crate::ami::{AmiError, Client};
use crate::config::{ConfigFile, ConfigTree};
use crate::deploy::Rejection;

/// What carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carried {
    /// As they are.
    Udp,
    /// In a stream: TCP and TLS.
    Tcp,
}

/// Where programs listen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listening {
    udp: BTreeSet<SocketAddr>,
    tcp: BTreeSet<SocketAddr>,
}

impl Listening {
    /// Reads the kernel's tables.
    pub fn read() -> Self {
        let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        Self {
            udp: ["udp", "udp6"].iter().flat_map(|name| ends(&table(name), false)).collect(),
            tcp: ["tcp", "tcp6"].iter().flat_map(|name| ends(&table(name), true)).collect(),
        }
    }

    /// All that carry it so.
    pub fn of(&self, carried: Carried) -> &BTreeSet<SocketAddr> {
        match carried {
            Carried::Udp => &self.udp,
            Carried::Tcp => &self.tcp,
        }
    }
}

/// The ends of a table of the kernel's, `/proc/net/udp` and its like; of TCP, those that listen.
fn ends(table: &str, tcp: bool) -> BTreeSet<SocketAddr> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, state) = (words.next()?, words.next()?, words.next()?);
            if tcp && state != "0A" {
                return None;
            }
            let (address, port) = local.split_once(':')?;
            let words: Vec<u32> = (0..address.len() / 8)
                .filter_map(|at| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok())
                .collect();
            let address: IpAddr = match words.as_slice() {
                [word] => word.to_ne_bytes().into(),
                [a, b, c, d] => {
                    let mut bytes = [0; 16];
                    for (to, word) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                        to.copy_from_slice(&word.to_ne_bytes());
                    }
                    IpAddr::from(bytes).to_canonical()
                }
                _ => return None,
            };
            Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
        })
        .collect()
}

/// Where a transport's `protocol` and `bind` have it listen; nothing for those of browsers, which the web server carries.
pub fn bind_of(protocol: &str, bind: &str) -> Option<(Carried, SocketAddr)> {
    let (carried, usual) = match protocol {
        "udp" => (Carried::Udp, 5060),
        "tcp" => (Carried::Tcp, 5060),
        "tls" => (Carried::Tcp, 5061),
        _ => return None,
    };
    let address = bind.parse().ok();
    let address = address.or_else(|| Some(SocketAddr::new(bind.trim_matches(['[', ']']).parse().ok()?, usual)))?;
    Some((carried, address))
}

/// The transports of a tree: name, line, and where they listen.
fn transports(file: &ConfigFile) -> BTreeMap<&str, (usize, Carried, SocketAddr)> {
    let option = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ").map(str::to_owned))
    };
    file.sections()
        .iter()
        .filter_map(|section| {
            let text = file.section_text(section);
            (option(text, "type")? == "transport").then_some(())?;
            let (carried, address) = bind_of(&option(text, "protocol")?, &option(text, "bind")?)?;
            Some((section.name.as_str(), (section.line, carried, address)))
        })
        .collect()
}

/// Whether somebody at a manager's address (`host:port`) sees the same network as this program does.
pub async fn is_here(manager: &str) -> bool {
    let own = |address: SocketAddr| UdpSocket::bind((address.ip(), 0)).is_ok();
    tokio::net::lookup_host(manager).await.is_ok_and(|mut all| all.any(own))
}

/// The SIP transports that Asterisk has, with the address of each. No action lists them; the command's lines are
/// `Transport:  <id>  <protocol>  <cos>  <tos>  <address>`.
pub async fn of_asterisk(client: &Client) -> Result<BTreeMap<String, (String, String)>, AmiError> {
    let answer = client.call(&Command("pjsip show transports".into())).await?;
    let read = |line: &String| {
        let mut words = line.split_whitespace();
        (words.next() == Some("Transport:")).then_some(())?;
        let (id, protocol) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((id, (protocol, words.last()?.to_owned())))
    };
    Ok(answer.lines.iter().filter_map(read).collect())
}

/// What to do about a transport that cannot listen.
pub fn help(name: &str) -> Vec<String> {
    let word = name.strip_prefix("pbx-").unwrap_or(name);
    vec![
        format!("another address or port: `spec.transports.{word}.bind` of `settings/pbx`, as in `192.0.2.10:5070`"),
        "for an Asterisk whose own `pjsip.conf` has the transports: `spec.transports.managed: false`".to_owned(),
    ]
}

/// The transports of `to` that are new or moved, and cannot listen where they are to. Where there was none, there is none to lose, and who
/// listens may be Asterisk itself: it goes on listening for a transport that its configuration no longer has, as after a first apply that
/// it rejected. Then its own answer tells.
pub fn taken(from: &ConfigTree, to: &ConfigTree, listening: &Listening) -> Vec<Rejection> {
    let Some(file) = to.file("pjsip.conf") else { return Vec::new() };
    let own: BTreeSet<(Carried, SocketAddr)> = from
        .file("pjsip.conf")
        .map(|file| transports(file).into_values().map(|(_, carried, address)| (carried, address)).collect())
        .unwrap_or_default();
    let mut rejections = Vec::new();
    for (name, (line, carried, address)) in transports(file) {
        if own.contains(&(carried, address)) {
            continue;
        }
        let message = if UdpSocket::bind((address.ip(), 0))
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrNotAvailable)
        {
            format!("SIP transport {name} cannot listen on {address}: this machine has no such address")
        } else if let Some(holder) = listening.of(carried).iter().filter(|_| !own.is_empty()).find(|other| {
            !own.contains(&(carried, **other))
                && other.port() == address.port()
                && other.is_ipv4() == address.is_ipv4()
                && (other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified())
        }) {
            let letter = if carried == Carried::Udp { 'u' } else { 't' };
            let port = address.port();
            format!(
                "SIP transport {name} cannot listen on {address}: another program listens on {holder}; `sudo ss -ln{letter}p \
                 sport = :{port}` names it"
            )
        } else {
            continue;
        };
        let mut rejection = Rejection::at("pjsip.conf", file, line, message);
        rejection.help = help(name);
        rejections.push(rejection);
    }
    rejections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:13C4 00000000:0000 0A 0\n 1: 0200007F:13C4 0300007F:0050 01 0\n";
        assert_eq!(ends(table, true), BTreeSet::from([at("127.0.0.1:5060")]));
        let six = "head\n 0: 00000000000000000000000000000000:13C4 0:0 07 0\n";
        assert_eq!(ends(six, false), BTreeSet::from([at("[::]:5060")]));
    }

    fn tree(transports: [(&str, &str); 2]) -> ConfigTree {
        let text = transports.map(|(name, bind)| format!("{name}: {{ bind: \"{bind}\" }}")).join(", ");
        let text = format!(
            "apiVersion: pbx/v1\nkind: Settings\nmetadata: {{ name: pbx }}\nspec: {{ transports: {{ {text} }} }}\n"
        );
        let parsed = pbx_manifest::parse(&[pbx_manifest::Source::new("a.yaml", text)]);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        crate::config::render(&parsed.catalog(), &crate::config::Secrets::default(), &crate::config::Place::default())
    }

    #[test]
    fn a_transport_that_cannot_listen_is_found_before_it_is_moved() {
        let now = tree([("udp", "127.0.0.1:5060"), ("tcp", "127.0.0.1:5060")]);
        let listening = Listening {
            udp: BTreeSet::from([at("127.0.0.1:5060"), at("0.0.0.0:5070")]),
            tcp: BTreeSet::from([at("127.0.0.1:5060"), at("127.0.0.1:5038")]),
        };
        let words = |to: [(&str, &str); 2]| -> Vec<String> {
            taken(&now, &tree(to), &listening).into_iter().map(|one| one.message).collect()
        };
        // As they are, moved to where nobody is, and over one's own.
        assert!(words([("udp", "127.0.0.1:5060"), ("tcp", "127.0.0.1:5060")]).is_empty());
        assert!(words([("udp", "0.0.0.0:5060"), ("tcp", "127.0.0.1:5062")]).is_empty());
        let found = words([("udp", "203.0.113.9:5060"), ("tcp", "127.0.0.1:5038")]);
        assert!(found.iter().any(|one| one.contains("no such address")), "{found:?}");
        assert!(found.iter().any(|one| one.contains("listens on 127.0.0.1:5038")), "{found:?}");
        let found = words([("udp", "127.0.0.1:5070"), ("tcp", "127.0.0.1:5060")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("ss -lnup sport = :5070"), "{found:?}");
        let new = tree([("udp", "127.0.0.1:5070"), ("tcp", "127.0.0.1:5060")]);
        assert_eq!(taken(&ConfigTree::empty(), &new, &listening), []);
        let told = taken(&now, &new, &listening);
        assert!(told[0].help[0].contains("`spec.transports.udp.bind`"), "{told:?}");
        assert!(told[0].help[1].contains("`spec.transports.managed: false`"), "{told:?}");
    }
}
