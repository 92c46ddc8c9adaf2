//! One schedule: an operation, the server's end in the middle of it, and what is there afterwards.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::Method;
use serde_json::{Value, json};

use super::schedule::{Need, Operation, Schedule};
use super::world::World;
use crate::bench::user;

/// Shorter than a forgotten quiesce, which ends by itself after a minute.
pub const ANSWERS: Duration = Duration::from_secs(40);

impl World {
    /// Plays a schedule.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn play(&mut self, schedule: &Schedule, user: &str) -> Result<()> {
        let Schedule { point, operation } = schedule;
        let vm = self.prepare(user, *operation).await?;
        let before = hits(&self.points()?, point);
        self.start(Some(point), operation.pool()).await?;
        // Whoever asks is cut off by the server's end.
        let answer = self.drive(*operation, user, &vm).await;
        if let Err(error) = self.died().await {
            let answer = answer.map_or_else(|error| format!("{error:#}"), |()| "done".to_owned());
            let row = self.row(user).await?;
            let seen = self
                .docker
                .run(["ps", "-a", "--format", "{{.Names}} {{.Status}}"])
                .await?;
            return Err(error.context(format!("its answer was: {answer}; {row:?}; {seen}")));
        }
        let after = hits(&self.points()?, point);
        ensure!(after > before, "the server was not killed at its point");
        if !image_is_good(*operation) {
            // Others come up again. What is tried goes on when the server is back.
            self.start(None, operation.pool()).await?;
            self.verdict().await?;
            self.new_image(true).await?;
        }
        self.start(None, operation.pool()).await?;
        self.verdict().await?;
        // Before anything is asked again: that may wait until what is stuck ends by itself.
        if self
            .row(user)
            .await?
            .is_some_and(|row| row.state == "RUNNING")
        {
            self.answers(user).await?;
        }
        self.again(*operation, user, &vm).await?;
        self.verdict().await
    }

    /// Brings the user's VM where the operation needs it, and answers its id, or nothing.
    async fn prepare(&mut self, user: &str, operation: Operation) -> Result<String> {
        if self.server.is_none() {
            self.start(None, 0).await?;
        }
        let vm = self.bring(user, operation.need()).await?;
        match operation {
            Operation::Claim => {
                self.start(None, 1).await?;
                self.pool_is_full().await?;
            }
            Operation::StartChanged => {
                // Limits that wait for the next start: the server ends before it sets them.
                self.start(Some("limits.noted"), 0).await?;
                // The answer never comes.
                let _ = self.drive(Operation::Limits, user, &vm).await;
                self.died().await?;
            }
            Operation::Upgrade => self.new_image(true).await?,
            Operation::UpgradeBad | Operation::CreateBad => self.new_image(false).await?,
            Operation::Lose => {
                self.kill().await?;
                self.lose(&vm).await?;
            }
            _ => {}
        }
        Ok(vm)
    }

    /// Brings the user's VM where it is needed, and answers its id, or nothing.
    ///
    /// # Errors
    /// It cannot be brought there.
    pub async fn bring(&mut self, user: &str, need: Need) -> Result<String> {
        let row = self.row(user).await?;
        let (id, state) = row.map_or_else(Default::default, |row| (row.id, row.state));
        let path = format!("/api/vms/{id}");
        match (need, state.as_str()) {
            (Need::None, "") => return Ok(id),
            (Need::None, _) => {
                let gone = self.call(user, Method::DELETE, &path, Value::Null).await?;
                gone.ok("delete a VM")?;
                return Ok(String::new());
            }
            (Need::Frozen, "FROZEN") | (Need::Stopped, "STOPPED") => return Ok(id),
            (Need::Stopped, "FROZEN") => {
                self.suspend(user, &id, "stopped").await?;
                return Ok(id);
            }
            _ => {}
        }
        let client = self.client(user)?;
        let made = client.create_vm(None).await?;
        let id = made.id.to_string();
        if state != "RUNNING" {
            let terminal = user::open_terminal(&client, &made).await?;
            user::close_terminal(&client, &made, &terminal).await?;
        }
        self.keep_file(&id).await?;
        match need {
            Need::Frozen => self.suspend(user, &id, "frozen").await?,
            Need::Stopped => self.suspend(user, &id, "stopped").await?,
            Need::Running | Need::None => {}
        }
        Ok(id)
    }

    async fn pool_is_full(&self) -> Result<()> {
        for _ in 0..600 {
            if self.rows().await?.iter().any(|row| row.state == "POOLED") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the pool is not filled")
    }

    /// Removes a VM's container and volume.
    ///
    /// # Errors
    /// The engine refuses.
    pub async fn lose(&self, vm: &str) -> Result<()> {
        let (container, volume) = (format!("ff-vm-{vm}"), format!("ff-home-{vm}"));
        self.docker.run(["rm", "--force", &container]).await?;
        self.docker.run(["volume", "rm", &volume]).await.map(drop)
    }

    /// Does the operation once; an error is what a user would see.
    async fn drive(&self, operation: Operation, user: &str, vm: &str) -> Result<()> {
        let path = format!("/api/vms/{vm}");
        let (method, path, body) = match operation {
            Operation::Create | Operation::CreateBad | Operation::Claim => {
                (Method::POST, "/api/vms".to_owned(), json!({}))
            }
            Operation::Freeze => return self.suspend(user, vm, "frozen").await,
            Operation::Stop | Operation::Deepen | Operation::Upgrade | Operation::UpgradeBad => {
                return self.suspend(user, vm, "stopped").await;
            }
            Operation::Thaw | Operation::Start | Operation::StartChanged => {
                (Method::POST, format!("{path}/terminals"), json!({}))
            }
            Operation::Delete => (Method::DELETE, path, Value::Null),
            Operation::Erase => (Method::DELETE, format!("/api/users/{user}"), Value::Null),
            Operation::Limits => (
                Method::PATCH,
                format!("{path}/limits"),
                json!({"cpus": self.other_cpus(user).await?}),
            ),
            Operation::Kill => {
                return self
                    .docker
                    .run(["kill", &format!("ff-vm-{vm}")])
                    .await
                    .map(drop);
            }
            Operation::Remove => {
                let remove = ["rm", "--force", &format!("ff-vm-{vm}")];
                return self.docker.run(remove).await.map(drop);
            }
            Operation::Refill | Operation::Lose => return Ok(()),
        };
        let answer = self.call(user, method, &path, body).await?;
        answer.ok("do it").map(drop)
    }

    async fn other_cpus(&self, user: &str) -> Result<f64> {
        let row = self.row(user).await?;
        let now = row.and_then(|row| row.cpus).unwrap_or_default();
        Ok(if now == 1.0 { 1.5 } else { 1.0 })
    }

    /// Asks for the same again, which must work now, and looks whether it has its effect.
    async fn again(&mut self, operation: Operation, user: &str, vm: &str) -> Result<()> {
        let row = self.row(user).await?;
        let state = row.as_ref().map_or("", |row| row.state.as_str());
        match operation {
            Operation::Create | Operation::CreateBad | Operation::Claim | Operation::Refill => {
                self.bring(user, Need::Running).await?;
            }
            Operation::Freeze | Operation::Stop | Operation::Deepen => {
                ensure!(
                    ["RUNNING", "FROZEN", "STOPPED"].contains(&state),
                    "it is {state}"
                );
                let frozen = operation == Operation::Freeze;
                let need = if frozen { Need::Frozen } else { Need::Stopped };
                self.bring(user, need).await?;
            }
            Operation::Thaw | Operation::Start | Operation::StartChanged => {
                ensure!(state == "RUNNING", "it was to wake, and is {state}");
                self.drive(operation, user, vm).await?;
            }
            Operation::Kill | Operation::Remove => {
                ensure!(state == "RUNNING", "it was to run on, and is {state}");
            }
            Operation::Erase => {
                self.drive(operation, user, vm).await?;
                let row = self.row(user).await?;
                ensure!(row.is_none(), "the account has a VM: {row:?}");
            }
            Operation::Delete => ensure!(row.is_none(), "it was to be gone, and is {state}"),
            Operation::Limits => self.drive(operation, user, vm).await?,
            Operation::Upgrade | Operation::UpgradeBad => {
                self.bring(user, Need::Running).await?;
                self.suspend(user, vm, "stopped").await?;
                let current = self.image_id(&self.image).await?;
                let own = self
                    .docker
                    .field(&format!("ff-vm-{vm}"), "{{.Image}}")
                    .await?;
                ensure!(
                    own == current,
                    "it is of {own}, and {current} is the current image"
                );
            }
            Operation::Lose => self.loss_is_told(user, vm).await?,
        }
        if operation.ends_vm() {
            return Ok(());
        }
        self.limits_are_in_force(user).await?;
        self.answers(user).await
    }

    async fn image_id(&self, image: &str) -> Result<String> {
        self.docker
            .run(["image", "inspect", "--format", "{{.Id}}", image])
            .await
    }

    /// A home that is gone is told, never made anew, and the VM can be given up.
    ///
    /// # Errors
    /// It is not so.
    pub async fn loss_is_told(&mut self, user: &str, vm: &str) -> Result<()> {
        let path = format!("/api/vms/{vm}");
        let shown = self.call(user, Method::GET, &path, Value::Null).await?;
        let shown = shown.ok("show the VM")?;
        let told = (&shown["state"], &shown["reasonCode"]);
        ensure!(
            told == (&json!("FAILED"), &json!("volume_missing")),
            "it is shown as {shown}"
        );
        for path in ["/api/vms".to_owned(), format!("{path}/terminals")] {
            let answer = self.call(user, Method::POST, &path, json!({})).await?;
            let code = &answer.body["code"];
            ensure!(answer.status == 409, "{path}: {} {code}", answer.status);
        }
        self.verdict().await?;
        self.bring(user, Need::None).await.map(drop)
    }

    async fn limits_are_in_force(&self, user: &str) -> Result<()> {
        let Some(row) = self.row(user).await? else {
            return Ok(());
        };
        if let Some(cpus) = row.cpus.filter(|_| row.limits_pending == 0) {
            let container = format!("ff-vm-{}", row.id);
            let format = "{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}}";
            let found = self.docker.field(&container, format).await?;
            let words = [format!("{:.0}", cpus * 1e9), format!("{:.0}", cpus * 1e5)];
            let fits = found
                .split(' ')
                .any(|it| words.iter().any(|word| word == it));
            ensure!(fits, "its row says {cpus} CPUs, and its container {found}");
        }
        Ok(())
    }

    /// A terminal of the user's VM answers, if there is a VM. (Nothing is typed: input keeps a VM
    /// awake for a while.)
    ///
    /// # Errors
    /// It does not.
    pub async fn answers(&self, user: &str) -> Result<()> {
        let client = self.client(user)?;
        let Some(vm) = client.vms().await?.into_iter().next() else {
            return Ok(());
        };
        let answers = async {
            let terminal = user::open_terminal(&client, &vm).await?;
            user::close_terminal(&client, &vm, &terminal).await
        };
        tokio::time::timeout(ANSWERS, answers)
            .await
            .context("the VM is at rest, and its terminals do not answer")?
    }

    /// A command in a terminal of the user's VM works.
    ///
    /// # Errors
    /// It does not.
    pub async fn command_works(&self, user: &str) -> Result<()> {
        let client = self.client(user)?;
        let vm = client.vms().await?.into_iter().next();
        user::command(&client, &vm.context("there is no VM")?)
            .await
            .map(drop)
    }
}

fn image_is_good(operation: Operation) -> bool {
    !matches!(operation, Operation::UpgradeBad | Operation::CreateBad)
}

/// How often a point was reached.
pub fn hits(log: &str, point: &str) -> usize {
    let line = format!("hit {point}");
    log.lines().filter(|it| *it == line).count()
}
