//! `cargo xtask lab`: Asterisk instances that outlive the command, to look at and to try things on.

#![expect(clippy::print_stdout, reason = "what a command answers goes to the terminal")]

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use pbx_lab::{Asterisk, AsteriskRoot, Kept, Place, Ports};
use std::net::Ipv4Addr;

/// Real Asterisk instances on loopback
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Start an instance and leave it running
    Up {
        /// The address, as 127.20.0.1; otherwise the next free one
        #[arg(long)]
        at: Option<Ipv4Addr>,
        /// Start from Debian's stock configuration
        #[arg(long)]
        stock: bool,
        /// The time at which it believes it starts, as "2026-12-25 03:00:00" (UTC)
        #[arg(long)]
        clock: Option<String>,
    },
    /// Stop instances and remove their folders
    Down {
        /// The address of an instance
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<Ipv4Addr>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
    /// List the instances
    List,
    /// Run a command on the console of an instance
    Cli {
        /// Its address
        name: Ipv4Addr,
        /// The command, as 'core show version'
        #[arg(required = true)]
        command: Vec<String>,
    },
    /// Build the root folder with Asterisk, unless it is there
    Root,
}

impl Lab {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Up { at, stock, clock } => up(at, stock, clock),
            Self::Down { name, all } => down(name, all),
            Self::List => list(),
            Self::Cli { name, command } => {
                println!("{}", find(name)?.cli(&command.join(" "))?);
                Ok(())
            }
            Self::Root => {
                println!("{}", AsteriskRoot::ensure()?.dir().display());
                Ok(())
            }
        }
    }
}

fn up(at: Option<Ipv4Addr>, stock: bool, clock: Option<String>) -> Result<()> {
    let mut builder = Asterisk::builder();
    if let Some(ip) = at {
        builder = builder.place(Place::at(ip)?);
    }
    if stock {
        builder = builder.stock();
    }
    if let Some(clock) = clock {
        builder = builder.clock(clock);
    }
    let kept = builder.start()?.keep()?;
    let Ports { sip, sips, ami, http, https } = Ports::FIXED;
    println!("address   {}", kept.ip);
    println!("etc       {}", kept.dir.join("etc").display());
    println!("log       {}", kept.dir.join("log").display());
    if stock {
        println!("ami       port {ami}, no user");
    } else {
        println!("ami       port {ami}, user pbxd, secret {}", kept.secret);
        println!("http      port {http}, https {https}");
    }
    println!("sip       port {sip}, tls {sips}, once pjsip.conf has transports");
    println!("stop it   cargo xtask lab down {}", kept.ip);
    Ok(())
}

fn down(name: Option<Ipv4Addr>, all: bool) -> Result<()> {
    let chosen = match name {
        Some(name) => vec![find(name)?],
        None if all => Kept::all()?,
        None => bail!("name an instance, or --all"),
    };
    for kept in chosen {
        let ip = kept.ip;
        kept.down()?;
        println!("{ip} is down");
    }
    Ok(())
}

fn list() -> Result<()> {
    for kept in Kept::all()? {
        let state = if kept.is_running() { "running" } else { "stopped" };
        println!("{}\t{state}\t{}", kept.ip, kept.dir.display());
    }
    Ok(())
}

fn find(ip: Ipv4Addr) -> Result<Kept> {
    let mut all = Kept::all()?;
    ensure!(!all.is_empty(), "no instance is up: start one with `cargo xtask lab up`");
    let found = all.iter().position(|kept| kept.ip == ip);
    let found = found.with_context(|| format!("no instance at {ip}: see `cargo xtask lab list`"))?;
    Ok(all.swap_remove(found))
}
