//! Everything a run has set up: server, machine, model and clients; and how they die and come back.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ff_client::{Auth, EngineClient, Secret};
use ff_protocol::session::{Answer, EntryKind, Prompt, SessionDetail};
use ff_protocol::{ClientId, SessionId, WorkspaceId};
use uuid::Uuid;

use super::follower::{Follower, Return};
use super::machine::Machine;
use super::model::Model;
use super::schedule::Victim;
use super::verdict;
use crate::journey::process::{Run, eventually};
use crate::journey::{self, Options, World, outside};

/// Longest wait for anything to come right again.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);
/// Messages of one session, at least.
const LAST_SAID: usize = 4;
/// Where a bare agent writes what it has to say.
const LOG: &str = "/tmp/agent.log";

/// A message that was sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its sender's id of it.
    pub id: ClientId,
    /// Its text, which no other has.
    pub text: String,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.text.split(' ').take(2).collect();
        write!(f, "the message {:?}", words.join(" "))
    }
}

/// What is set up. Dropping it removes it.
pub struct Stage {
    /// Server and stand-ins.
    pub world: World,
    /// Where the agent is.
    pub machine: Machine,
    /// What the model does.
    pub model: Model,
    /// The API that serves the workspace.
    pub engine: EngineClient,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// All that was said.
    pub said: Vec<Message>,
    image: String,
    clients: Vec<Follower>,
    /// Token of a bare agent.
    token: Option<String>,
    /// When the container was last started, while its end is waited for.
    started: Option<String>,
}

impl Stage {
    /// A server with a VM, and in it a workspace.
    ///
    /// # Errors
    /// A step of the journey there fails.
    pub async fn begin(options: Options) -> Result<Self> {
        let image = options.image.clone();
        let world = journey::up_to(options, "send").await?;
        let model = Model::default();
        world.messages()?.set_script(model.clone());
        let machine = Machine {
            container: world.container()?.to_owned(),
        };
        let workspace: WorkspaceId = world.workspace()?.parse()?;
        let engine = world.client()?.engine().clone();
        let mut stage = Self {
            world,
            machine,
            model,
            engine,
            workspace,
            said: Vec::new(),
            image,
            clients: Vec::new(),
            token: None,
            started: None,
        };
        stage.attach();
        Ok(stage)
    }

    fn attach(&mut self) {
        let ways = [Return::ByItself, Return::AtOnce, Return::AtOnce];
        let client = |way| Follower::start(self.engine.clone(), self.workspace.clone(), way);
        self.clients = ways.into_iter().map(client).collect();
    }

    /// The client that is told first after an end.
    pub fn client(&self) -> Result<&Follower> {
        self.clients.last().context("there is no client")
    }

    /// Puts the VM's home into a machine that outlives its agent. There is no server any more.
    ///
    /// # Errors
    /// The engine refuses, or the agent does not come up.
    pub async fn make_bare(&mut self) -> Result<()> {
        self.verdict().await?;
        self.clients.clear();
        let instance = self.world.instance().context("there is no server")?;
        self.world.kill_server().await?;
        let old = self.machine.container.clone();
        docker(&["stop", "--time", "5", &old]).await?;
        let home = outside::inspect(&old, "{{range .Mounts}}{{.Name}}{{end}}").await?;
        // The server's label: its world removes it with the rest.
        let label = format!("cloud.factory-factory.instance={instance}");
        let volume = format!("{home}:/home/ff");
        let run = ["run", "--detach", "--label", &label, "--volume", &volume];
        let idle = [
            "--entrypoint",
            "tini",
            &self.image,
            "--",
            "sleep",
            "infinity",
        ];
        self.machine.container = docker(&[&run[..], &idle].concat()).await?;
        self.token = Some(format!(
            "{}{}",
            Uuid::new_v4().simple(),
            Uuid::new_v4().simple()
        ));
        self.start_agent().await?;
        self.attach();
        Ok(())
    }

    async fn start_agent(&mut self) -> Result<()> {
        let token = self.token.clone().context("there is no bare agent")?;
        let container = self.machine.container.clone();
        let put = ["exec", "--interactive", &container, "bash", "-c"];
        let put = Run::new("docker").args(put);
        put.args(["umask 077; cat > /tmp/token"])
            .input(&token)
            .ok()
            .await?;
        let (id, file) = ("FF_VM_ID=bare", "FF_AGENT_TOKEN_FILE=/tmp/token");
        let run = format!("exec ff-agent serve 2>> {LOG}");
        let exec = ["exec", "--detach", "--env", id, "--env", file];
        docker(&[&exec[..], &[&container, "bash", "-c", &run]].concat()).await?;
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = outside::inspect(&container, address).await?;
        let auth = Auth::Bearer(Secret::new(token));
        self.engine = EngineClient::new(&format!("http://{address}:7070"), auth)?;
        let (engine, workspace) = (&self.engine, &self.workspace);
        let up = eventually("the agent answers", PATIENCE, async || {
            Ok(engine.workspace(workspace).await.ok().map(drop))
        });
        up.await
            .with_context(|| format!("see {LOG} in {container}"))
    }

    /// Kills it.
    ///
    /// # Errors
    /// It is not there.
    pub async fn kill(&mut self, victim: Victim, session: &SessionId) -> Result<()> {
        match victim {
            Victim::Server => self.world.kill_server().await,
            Victim::Cli => self.machine.signal_cli(session, "KILL").await,
            Victim::BareAgent => self.machine.signal_agent("KILL").await,
            Victim::Agent => {
                // So many ends are ours, and no sign of a loop that is to be broken.
                let database = self.world.server_dir().join("cloud.db");
                let forgive = "UPDATE vms SET restarts = 0, restart_at = NULL";
                outside::sqlite_change(&database, forgive).await?;
                self.started = Some(self.start_of_container().await?);
                self.machine.signal_agent("KILL").await
            }
        }
    }

    async fn start_of_container(&self) -> Result<String> {
        let format = "{{.State.Running}} {{.State.StartedAt}}";
        outside::inspect(&self.machine.container, format).await
    }

    /// Brings back what nothing else brings back, and waits for what comes back by itself.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn restore(&mut self, victim: Victim) -> Result<()> {
        match victim {
            Victim::Cli => Ok(()),
            Victim::Server => self.world.start_server_again().await,
            Victim::BareAgent => self.start_agent().await,
            Victim::Agent => {
                let before = self.started.take().context("nobody was killed")?;
                eventually("the container runs again", PATIENCE, async || {
                    let now = self.start_of_container().await?;
                    Ok((now.starts_with("true") && now != before).then_some(()))
                })
                .await
                .with_context(|| self.world.server_log())
            }
        }
    }

    /// Waits until a session is so, as its row and journal say.
    ///
    /// # Errors
    /// It is not.
    pub async fn until(
        &self,
        session: &SessionId,
        what: &str,
        wanted: impl Fn(&SessionDetail) -> bool,
    ) -> Result<SessionDetail> {
        // While its machine is started again, too.
        let (engine, begun) = (self.engine.waking(), Instant::now());
        loop {
            self.reached_once()?;
            let read = engine.session(&self.workspace, session).await;
            match read {
                Ok(detail) if wanted(&detail) => return Ok(detail),
                Err(error) if !error.is_transient() => return Err(error.into()),
                read if begun.elapsed() > PATIENCE => {
                    let kinds = |detail: SessionDetail| {
                        let kinds: Vec<_> = detail.messages.iter().map(|it| it.kind).collect();
                        format!("{:?} with {kinds:?}", detail.session)
                    };
                    let seen = read.map_or_else(|error| error.to_string(), kinds);
                    bail!("waited in vain: {what}; it is {seen}")
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// None of the last messages has reached the model twice.
    fn reached_once(&self) -> Result<()> {
        for message in self.said.iter().rev().take(LAST_SAID) {
            let asked = self.model.asked(&message.text);
            ensure!(asked <= 1, "{message} has reached the model {asked} times");
        }
        Ok(())
    }

    /// The clients were told the same, gapless, which is what is on disk; every message is there
    /// once, and has reached the model at most once.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn verdict(&mut self) -> Result<()> {
        let disk = self.machine.journal(self.workspace.as_str()).await?;
        for client in &self.clients {
            let all = |seen: &super::follower::Seen| {
                (seen.entries.len() >= disk.len() || !seen.faults.is_empty()).then_some(())
            };
            client.until("the whole journal", all).await?;
        }
        let mut wrong = Vec::new();
        {
            let seen: Vec<_> = self.clients.iter().map(Follower::seen).collect();
            let entries: Vec<_> = seen.iter().map(|it| it.entries.as_slice()).collect();
            wrong.extend(seen.iter().flat_map(|it| it.faults.iter().take(3).cloned()));
            wrong.extend(verdict::faults(&disk, &entries));
        }
        for message in &self.said {
            let id = format!("\"{}\"", message.id);
            let entered = disk
                .iter()
                .filter(|row| row.kind == "user_message" && row.payload.contains(&id));
            let (entered, asked) = (entered.count(), self.model.asked(&message.text));
            if entered != 1 || asked > 1 {
                wrong.push(format!(
                    "{message}: entered {entered} times, asked {asked} times"
                ));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    }
}

/// Says something until somebody says that it came.
///
/// # Errors
/// It is refused, or nobody answers.
pub async fn say(
    engine: EngineClient,
    workspace: WorkspaceId,
    session: SessionId,
    message: Message,
) -> Result<()> {
    let prompt = Prompt {
        text: message.text,
        id: Some(message.id),
    };
    let begun = Instant::now();
    loop {
        match engine.prompt(&workspace, &session, &prompt).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error).context("a message was not taken"),
        }
    }
}

/// Gives an answer until somebody says that it came.
///
/// # Errors
/// It is refused, or nobody answers.
pub async fn answer(
    engine: EngineClient,
    workspace: WorkspaceId,
    session: SessionId,
    answer: Answer,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        match engine.answer(&workspace, &session, &answer).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error).context("an answer was not taken"),
        }
    }
}

/// How many turns of a session have ended.
pub fn ended(detail: &SessionDetail) -> usize {
    let entries = detail.messages.iter();
    entries
        .filter(|entry| entry.kind == EntryKind::TurnEnded)
        .count()
}

async fn docker(args: &[&str]) -> Result<String> {
    Run::new("docker").args(args).text().await
}
