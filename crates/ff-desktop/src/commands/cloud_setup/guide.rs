//! Leads a person through what is left to do.

use std::time::Duration;

use ff_client::TerminalPlace;
use ff_protocol::onboarding::{NextStep, Onboarding};
use ff_protocol::vm::{GitIdentity, Vm};

use super::identity;
use super::login::Step;
use super::news::News;
use crate::context::{Connection, Context};
use crate::output::say;
use crate::stop;
use crate::tty::attach::{self, Left, View};
use crate::tty::detach::Key;
use crate::tty::input;
use crate::tty::shell::{self, Wanted};
use crate::vm;

/// A program that has logged in gets this long to say so and end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the user wants after a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    Skip,
    Leave,
}

/// One walk through the steps.
pub struct Guide<'a> {
    context: &'a Context,
    cloud: &'a Connection,
    vm: Vm,
    key: Key,
    news: News,
}

impl<'a> Guide<'a> {
    /// Begins where the VM is.
    pub fn new(
        context: &'a Context,
        cloud: &'a Connection,
        vm: Vm,
        key: Key,
        seen: Onboarding,
    ) -> Self {
        let news = News::begin(cloud, &vm.id, seen);
        Self {
            context,
            cloud,
            vm,
            key,
            news,
        }
    }

    /// The VM, and how far it has come.
    pub fn end(self) -> (Vm, Onboarding) {
        (self.vm, self.news.now())
    }

    /// Takes the steps that are left, until all are taken or the user leaves.
    ///
    /// # Errors
    /// The cloud cannot be reached, or we were told to stop.
    pub async fn lead(&mut self) -> anyhow::Result<()> {
        if self.news.now().next_step_code == Some(NextStep::ToolMissing) {
            return Ok(());
        }
        for step in Step::ALL {
            if self.take(step).await? == Wish::Leave {
                return Ok(());
            }
        }
        self.identify().await
    }

    /// Repeats a login until it is there, is skipped, or the user leaves.
    async fn take(&mut self, step: Step) -> anyhow::Result<Wish> {
        let mut told = false;
        loop {
            let seen = self.news.now();
            if step.of(&seen).logged_in {
                say(format!(
                    "ok     {}: {}",
                    step.name(),
                    vm::login(step.of(&seen))
                ));
                return Ok(Wish::GoOn);
            }
            if !told {
                say(format!("\n{}: {}", step.name(), vm::login(step.of(&seen))));
                say(step.explained());
                told = true;
            }
            say(format!(
                "Enter logs in to {}, `s` skips it, `q` leaves.",
                step.name()
            ));
            let wish = tokio::select! {
                wish = self.asked() => wish?,
                // It may be made elsewhere meanwhile.
                () = self.news.until(|seen| step.of(seen).logged_in) => {
                    // Its account's name comes a little later, or never.
                    let named = self.news.until(|seen| step.of(seen).account.is_some());
                    let _ = tokio::time::timeout(LAST_WORDS, named).await;
                    continue;
                }
            };
            if wish != Wish::GoOn {
                return Ok(wish);
            }
            if !self.log_in(step).await? {
                return Ok(Wish::Leave);
            }
        }
    }

    async fn asked(&self) -> anyhow::Result<Wish> {
        let line = self.line().await?;
        Ok(match line.as_deref().map(str::trim) {
            None | Some("q") => Wish::Leave,
            Some("s") => Wish::Skip,
            Some(_) => Wish::GoOn,
        })
    }

    async fn line(&self) -> anyhow::Result<Option<String>> {
        let line = async { Ok(input::line().await) };
        stop::unless(self.context.stop(), line).await
    }

    /// A terminal with the login's program; whether to go on afterwards.
    async fn log_in(&mut self, step: Step) -> anyhow::Result<bool> {
        let place = TerminalPlace::Vm(self.vm.id.clone());
        let wanted = Wanted {
            name: Some(step.terminal()),
            read_only: false,
            on_a_screen: true,
        };
        let opening = shell::elsewhere(self.cloud.client.engine(), place, wanted);
        let mut opened = stop::unless(self.context.stop(), opening).await?;
        let way_out = self.key.name();
        let way_out =
            way_out.map(|key| format!("; {key} detaches, and `ff cloud setup` comes back"));
        let what = match opened.new {
            true => format!("this is a terminal in your VM: {}", step.command()),
            false => "the login that was begun goes on here".to_owned(),
        };
        say(format!("[ff: {what}{}]", way_out.unwrap_or_default()));
        let view = View {
            key: self.key,
            read_only: false,
            first: opened.new.then(|| step.typed()),
        };
        let done = async {
            self.news.until(|seen| step.of(seen).logged_in).await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let left = attach::person(self.context, &mut opened.line, view, done).await?;
        say("");
        match left {
            Left::Exited(exit) => {
                opened.place.forget(&opened.terminal).await;
                self.look_again(step, exit.code).await?;
                Ok(true)
            }
            Left::Over => Ok(true),
            Left::Detached => {
                let name = step.terminal();
                say(format!(
                    "[ff: detached; the terminal `{name}` goes on in your VM]"
                ));
                Ok(false)
            }
        }
    }

    /// After the program's end: the login is there, or it was not finished.
    async fn look_again(&mut self, step: Step, code: i32) -> anyhow::Result<()> {
        let (client, vm) = (&self.cloud.client, &self.vm.id);
        let before = self.news.now();
        let asking = async {
            Ok(match code {
                // Whoever waits is told sooner than a whole new look takes.
                0 => {
                    client
                        .onboarding_after(vm, &before.version, LAST_WORDS)
                        .await?
                }
                _ => client.onboarding_waking(vm).await?,
            })
        };
        let mut seen = before.clone();
        // A login is there before its account's name is.
        if !step.of(&before).logged_in || step.of(&before).account.is_none() {
            seen = stop::unless(self.context.stop(), asking).await?;
        }
        if !step.of(&seen).logged_in {
            let name = step.name();
            say(format!(
                "[ff: the login to {name} was not finished (exit code {code})]"
            ));
        }
        self.news = News::begin(self.cloud, &self.vm.id, seen);
        Ok(())
    }

    /// Asks who commits, if nobody has said so.
    async fn identify(&mut self) -> anyhow::Result<()> {
        let seen = self.news.now();
        if let Some(known) = &seen.git_identity {
            say(format!("ok     git identity: {}", identity::written(known)));
            return Ok(());
        }
        let proposed = seen.git_identity_proposed.as_ref();
        say("\nCommits in your VM need a name and an address (git's user.name and user.email).");
        loop {
            match proposed {
                Some(proposed) => say(format!(
                    "Enter takes `{}`; or type NAME <EMAIL>, or `s` to skip.",
                    identity::written(proposed)
                )),
                None => say("Type NAME <EMAIL>, or `s` to skip."),
            }
            let line = self.line().await?;
            let identity = match line.as_deref().map(str::trim) {
                None | Some("s" | "q") => return Ok(()),
                Some("") => proposed.cloned(),
                Some(text) => identity::read(text),
            };
            let Some(identity) = identity else { continue };
            if self.set(&identity).await? {
                say(format!(
                    "ok     git identity: {}",
                    identity::written(&identity)
                ));
                return Ok(());
            }
        }
    }

    async fn set(&mut self, identity: &GitIdentity) -> anyhow::Result<bool> {
        let setting = async {
            match self
                .cloud
                .client
                .set_git_identity(&self.vm.id, identity)
                .await
            {
                Ok(_) => {}
                Err(error) if error.code() == Some(ff_protocol::ErrorCode::Invalid) => {
                    say(format!("that will not do: {error}"));
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            Ok(Some(
                self.cloud.client.onboarding_waking(&self.vm.id).await?,
            ))
        };
        let seen = stop::unless(self.context.stop(), setting).await?;
        let Some(seen) = seen else { return Ok(false) };
        self.news = News::begin(self.cloud, &self.vm.id, seen);
        Ok(true)
    }
}
