//! The steps that happen in the VM.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::breakage::Break;
use super::outside;
use super::world::{Provisioned, World};
use crate::messages::DEFAULT_API_KEY;

/// Exit code of `ff cloud setup` while a login is missing.
const NOT_READY: i32 = 6;
const VERSIONS: &str = include_str!("../../../../images/vm/versions.env");

impl World {
    /// Connects, and gets a VM; Docker shows it with its limits.
    pub(super) async fn provision(&mut self) -> Result<String> {
        let (url, user) = (self.url()?, self.fixture.user.clone());
        self.ff(["cloud", "connect", &url, "--user", &user])
            .ok()
            .await?;
        self.set_up(NOT_READY).await?;
        let vm = self
            .client()?
            .vms()
            .await?
            .pop()
            .context("the server lists no VM")?;
        let container = vm.container_id.context("the VM has no container")?;
        let format = "{{.State.Running}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} \
                      {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.Config.User}}";
        let seen = outside::inspect(&container, format).await?;
        let fields: Vec<&str> = seen.split(' ').collect();
        ensure!(
            fields.first() == Some(&"true"),
            "the container does not run: {seen}"
        );
        ensure!(
            fields[1..4]
                .iter()
                .all(|limit| limit.parse::<u64>().is_ok_and(|n| n > 0)),
            "no limits: {seen}"
        );
        ensure!(
            seen.contains("[ALL]") && seen.contains("no-new-privileges"),
            "too many rights: {seen}"
        );
        if self.options.cut == Some(Break::CliMissing) {
            outside::break_inside(&container, "rm -f /usr/local/bin/claude").await?;
        }
        let short = container.chars().take(12).collect::<String>();
        self.vm = Some(Provisioned {
            vm_id: vm.id.to_string(),
            container,
        });
        Ok(format!("container {short} runs, limited"))
    }

    /// Nobody is logged in: the API says so, and GitHub has seen no login.
    pub(super) async fn onboarding_says_no(&mut self) -> Result<String> {
        if self.options.cut == Some(Break::CliMissing) {
            return Ok("not asked: the CLI is missing".to_owned());
        }
        let onboarding = self.set_up(NOT_READY).await?;
        ensure!(
            onboarding["nextStepCode"] == "github_login",
            "the next step is another: {onboarding}"
        );
        ensure!(
            logged_in(&onboarding, "github") == Some(false),
            "GitHub is logged in: {onboarding}"
        );
        ensure!(
            logged_in(&onboarding, "claude") == Some(false),
            "Claude is logged in: {onboarding}"
        );
        let known = self
            .github()?
            .requests()
            .into_iter()
            .filter(|request| request.login.is_some())
            .count();
        ensure!(known == 0, "GitHub has seen {known} requests with a login");
        Ok("neither gh nor claude is logged in".to_owned())
    }

    /// Types the logins into the VM's terminal, and the versions' commands with them.
    pub(super) async fn log_in(&mut self) -> Result<String> {
        let token = "gho_testkitocto";
        let api = self.messages()?.url();
        let settings = serde_json::json!({"env": {
            "ANTHROPIC_BASE_URL": api,
            "ANTHROPIC_API_KEY": DEFAULT_API_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
        }});
        let typed = format!(
            "echo {token} | gh auth login --hostname github.com --git-protocol https --with-token; echo \"login=$?\"\n\
             gh auth status; echo \"gh=$?\"\n\
             mkdir -p ~/.claude && echo '{settings}' > ~/.claude/settings.json; echo \"settings=$?\"\n\
             claude --version; echo \"claude=$?\"\n\
             node --version; echo \"node=$?\"\n\
             git --version; echo \"git=$?\"\n\
             id; exit\n"
        );
        let ran = self.ff(["terminal", "--vm"]).input(&typed).ok().await?;
        let seen = ran.stdout.replace('\r', "");
        let mut wanted = vec![
            "login=0",
            "gh=0",
            "settings=0",
            "node=0",
            "git=0",
            "octo",
            "uid=1000(ff)",
        ];
        let versions = pinned();
        let node = format!(
            "v{}",
            versions
                .get("NODE_VERSION")
                .context("no Node version is pinned")?
        );
        wanted.push(&node);
        if self.options.cut != Some(Break::CliMissing) {
            wanted.push("claude=0");
            wanted.push(
                versions
                    .get("CLAUDE_VERSION")
                    .context("no CLI version is pinned")?,
            );
        }
        for text in wanted {
            ensure!(
                seen.contains(text),
                "the terminal shows no {text:?}: {seen}"
            );
        }
        Ok(format!(
            "gh, claude {}, node {node}, git answer in the terminal",
            versions["CLAUDE_VERSION"]
        ))
    }

    /// Both are logged in: the API says so with the account, and GitHub has seen it.
    pub(super) async fn onboarding_says_yes(&mut self) -> Result<String> {
        if self.options.cut == Some(Break::CliMissing) {
            return Ok("not asked: the CLI is missing".to_owned());
        }
        let onboarding = self.set_up(0).await?;
        ensure!(
            logged_in(&onboarding, "github") == Some(true),
            "GitHub is not logged in: {onboarding}"
        );
        ensure!(
            logged_in(&onboarding, "claude") == Some(true),
            "Claude is not logged in: {onboarding}"
        );
        ensure!(
            onboarding.to_string().contains("\"octo\""),
            "the account is not named: {onboarding}"
        );
        let seen = self
            .github()?
            .requests()
            .into_iter()
            .any(|request| request.login.as_deref() == Some("octo"));
        ensure!(seen, "GitHub has not seen the login");
        let mode =
            outside::look_inside(self.container()?, "stat -c %a ~/.config/gh/hosts.yml").await?;
        ensure!(mode == "600", "the login's file has mode {mode}");
        Ok("gh is logged in as octo, claude by key".to_owned())
    }

    /// The VM's checkout has the new commit, its content is the note's, and the API was really
    /// asked.
    pub(super) async fn work_was_done(&mut self) -> Result<String> {
        let path = self.vm_checkout()?;
        let look = async |command: String| outside::look_inside(self.container()?, &command).await;
        let answer = format!("answer-to-{}", self.fixture.note_file);
        let commit = look(format!("git -C {path} rev-parse HEAD")).await?;
        let content = look(format!("git -C {path} show HEAD:{answer}")).await?;
        ensure!(
            content == format!("I read: {}", self.fixture.note),
            "the file says {content:?}"
        );
        let author = look(format!("git -C {path} log -1 --format=%ae")).await?;
        ensure!(author == "ada@example.test", "the author is {author}");
        let owner = look(format!("stat -c %U {path}/{answer}")).await?;
        ensure!(owner == "ff", "the file belongs to {owner}");
        let asked = self.messages()?.requests();
        let quoted = asked.iter().filter(|request| request.is_message());
        let quoted = quoted
            .filter(|request| request.body.to_string().contains(&self.fixture.note))
            .count();
        ensure!(quoted >= 2, "the API saw the note {quoted} times");
        ensure!(
            asked
                .iter()
                .filter(|request| request.is_message())
                .all(|request| request.authorized),
            "no key"
        );
        self.cloud_commit = Some(commit.clone());
        Ok(format!(
            "commit {} holds the note, written by the CLI's tools",
            &commit[..12.min(commit.len())]
        ))
    }

    /// What `ff cloud setup` says where nobody sits before it, with this exit code.
    async fn set_up(&self, code: i32) -> Result<Value> {
        let ran = self.ff(["--json", "cloud", "setup"]).outcome().await?;
        ensure!(
            ran.code == code,
            "`ff cloud setup` ended with {} and not {code}: {} {}",
            ran.code,
            ran.stderr,
            ran.stdout
        );
        Ok(serde_json::from_str(&ran.stdout)?)
    }

    /// The workspace's checkout, as the VM's shell finds it.
    pub fn vm_checkout(&self) -> Result<String> {
        let workspace = self.workspace()?;
        Ok(format!(
            "~/factory-factory/worktrees/*/workspace-{workspace}"
        ))
    }
}

fn logged_in(onboarding: &Value, tool: &str) -> Option<bool> {
    let place = onboarding.get("onboarding").unwrap_or(onboarding);
    place.get(tool)?.get("loggedIn")?.as_bool()
}

fn pinned() -> BTreeMap<&'static str, &'static str> {
    VERSIONS
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect()
}
