//! What a command is given: the terminal, the way to pbxd, and the files that were read.

use std::future::Future;

use pbx_api::{Client, ClientError};
use pbx_manifest::Source;

use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;

/// What a command is given.
pub struct App {
    /// Where results and talk go.
    pub ui: Ui,
    /// What every command takes.
    pub global: Global,
    /// The files that were read, so that messages can show their lines.
    pub sources: Vec<Source>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl App {
    /// For one command.
    pub fn new(global: Global) -> Self {
        Self { ui: Ui::new(&global), global, sources: Vec::new(), runtime: None }
    }

    /// The way to pbxd.
    pub fn client(&self) -> Client {
        Client::new(self.global.socket())
    }

    /// Waits for something. The runtime is made at the first wait: commands without pbxd never pay for it.
    pub fn wait<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Failure> {
        if self.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            self.runtime = Some(runtime.map_err(|error| {
                Failure::failed("system", format!("the system gives no event queue: {error}"))
                    .help("too many open files, perhaps: `ulimit -n`")
            })?);
        }
        match &self.runtime {
            Some(runtime) => Ok(runtime.block_on(future)),
            None => unreachable!("it was just made"),
        }
    }

    /// Asks pbxd.
    pub fn ask<T, F: Future<Output = Result<T, ClientError>>>(
        &mut self,
        question: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure> {
        let answer = question(self.client());
        Ok(self.wait(answer)??)
    }

    /// Ends the command: says why it failed, if it did, and gives the exit code.
    pub fn end(mut self, result: Result<Exit, Failure>, json: bool) -> Exit {
        match result {
            Ok(exit) => self.ui.finish(exit),
            Err(failure) => failure.print(&mut self.ui, &self.sources, json),
        }
    }
}
