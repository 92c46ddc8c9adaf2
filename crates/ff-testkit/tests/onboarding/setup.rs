//! A server without any VM, and a user at their terminal.

use std::path::Path;
use std::time::Duration;

use ff_testkit::github::DeviceApproval;
use ff_testkit::journey::outside::look_inside;
use ff_testkit::journey::person::Person;
use ff_testkit::journey::process::Run;
use ff_testkit::journey::{World, up_to};
use ff_testkit::login::LoginHost;
use serde_json::Value;

use crate::stage::options;

/// The token of the stand-in's user at GitHub.
const GITHUB_TOKEN: &str = "gho_testkitocto";
/// A SHA-256 in base64.
const CHALLENGE: usize = 43;
const ADDRESS: &str = "https://claude.ai/oauth/authorize?z-";

pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) login: LoginHost,
}

impl Setup {
    /// Nothing but a server, to which the user's `ff` is connected. GitHub approves nobody by
    /// itself.
    pub(crate) async fn new() -> Self {
        let world = up_to(options(), "start").await.unwrap();
        let github = world.github().unwrap();
        github.set_device_approval(DeviceApproval::ByHand);
        let logins = world.messages().unwrap().logins();
        let address = github.addr().ip();
        let login = LoginHost::start_at(address, logins, github.authority());
        let login = login.await.unwrap();
        let (url, user) = (world.url().unwrap(), world.user().unwrap());
        let connect = ["cloud", "connect", &url, "--user", user.as_str()];
        world.ff(connect).ok().await.unwrap();
        Self { world, login }
    }

    /// `ff` at a terminal.
    pub(crate) fn at_a_terminal(&self, args: &[&str]) -> Person {
        let run: Run = self.world.ff(args.iter().copied());
        run.in_a_terminal().unwrap()
    }

    /// What `ff … --json` prints, and its exit code.
    pub(crate) async fn json(&self, args: &[&str]) -> (i32, Value) {
        let args = args.iter().copied().chain(["--json"]);
        let ran = self.world.ff(args).outcome().await.unwrap();
        let document = serde_json::from_str(&ran.stdout);
        (
            ran.code,
            document.unwrap_or_else(|_| panic!("{}", ran.stderr)),
        )
    }

    /// The container of the only VM.
    pub(crate) async fn container(&self) -> String {
        let vms = self.world.client().unwrap().vms().await.unwrap();
        vms[0].container_id.clone().unwrap()
    }

    /// Looks inside the VM.
    pub(crate) async fn look(&self, command: &str) -> String {
        look_inside(&self.container().await, command).await.unwrap()
    }

    /// Leads what the Claude CLI says over TLS to the stand-in: it takes no other address for a
    /// login than its own, but it obeys a proxy.
    pub(crate) async fn lead_claude(&self) {
        let proxy = self.login.proxy_url();
        let lines = format!(
            "export HTTPS_PROXY={proxy} NO_PROXY=github.com,api.github.com CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"
        );
        self.look(&format!("echo '{lines}' >> ~/.profile")).await;
    }

    /// Goes through `gh`'s questions up to the code it shows.
    pub(crate) async fn asks_for_a_code(&self, person: &mut Person) -> String {
        person.waits_for("Enter logs in to GitHub").await.unwrap();
        person.enters("").await.unwrap();
        person.waits_for("Authenticate Git").await.unwrap();
        // `gh` drops keys that come together with the answer where the cursor is.
        for _ in 0..2 {
            person.waits_for("\x1b[6n").await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        person.enters("").await.unwrap();
        person.waits_for("one-time code: ").await.unwrap();
        let text = person.reads_until("Press Enter").await.unwrap();
        let code = word(&text, 9, |at, c| match at {
            4 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
        person.enters("").await.unwrap();
        code
    }

    /// Enters the code in a browser elsewhere.
    pub(crate) fn approves(&self, code: &str) {
        let github = self.world.github().unwrap();
        github.approve_device(code, "octo").unwrap();
    }

    /// Goes through the Claude login: the address opened elsewhere, its code pasted here.
    pub(crate) async fn logs_in_to_claude(&self, person: &mut Person) {
        person.waits_for("Enter logs in to Claude").await.unwrap();
        person.enters("").await.unwrap();
        self.pastes_the_code(person).await;
    }

    /// Opens the address that `claude auth login` shows, and pastes the code.
    pub(crate) async fn pastes_the_code(&self, person: &mut Person) {
        let text = person.reads_until("Paste code here").await.unwrap();
        let at = text.find(ADDRESS).unwrap();
        let address = &text[at..at + ADDRESS.len() + CHALLENGE];
        let code = self.login.grant(address).unwrap();
        person.enters(&code).await.unwrap();
    }

    /// Asserts that no token that was given out is in any of these texts, in what the server keeps
    /// and says, on the desktop, or in the VM's own records and log.
    pub(crate) async fn no_token_in(&self, texts: &[String]) {
        let mut tokens = self.world.messages().unwrap().logins().tokens();
        assert!(tokens.len() >= 2, "no Claude login was given out");
        tokens.push(GITHUB_TOKEN.to_owned());
        let mut looked: Vec<(String, Vec<u8>)> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            looked.push((format!("text {at}"), text.clone().into_bytes()));
        }
        let dir = self.world.server_dir();
        let beside = dir.parent().unwrap();
        files(beside, &mut looked);
        let log = Run::new("docker").args(["logs", &self.container().await]);
        let log = log.ok().await.unwrap();
        looked.push((
            "the VM's log".into(),
            (log.stdout + &log.stderr).into_bytes(),
        ));
        let all: usize = looked.iter().map(|(_, bytes)| bytes.len()).sum();
        println!(
            "looked for {} tokens in {} places, {all} bytes",
            tokens.len(),
            looked.len()
        );
        assert!(looked.iter().any(|(name, _)| name.ends_with("cloud.db")));
        assert!(looked.iter().any(|(name, _)| name.ends_with("server.log")));
        for token in &tokens {
            let found = looked
                .iter()
                .find(|(_, bytes)| holds(bytes, token.as_bytes()));
            assert!(found.is_none(), "a token is in {}", found.unwrap().0);
        }
        for token in &tokens {
            let grep = format!("grep -rlF -- '{token}' ~ /tmp /var/lib 2>/dev/null || true");
            for file in self.look(&grep).await.lines() {
                let theirs = file.ends_with("/.config/gh/hosts.yml")
                    || file.ends_with("/.claude/.credentials.json");
                assert!(theirs, "a token is in the VM's {file}");
            }
        }
    }
}

/// The first word of this length whose every character fits.
fn word(text: &str, length: usize, fits: impl Fn(usize, char) -> bool) -> String {
    let all: Vec<char> = text.chars().collect();
    let found = all.windows(length).find(|window| {
        let mut chars = window.iter().enumerate();
        chars.all(|(at, c)| fits(at, *c))
    });
    found
        .unwrap_or_else(|| panic!("no code in {text:?}"))
        .iter()
        .collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn files(dir: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && path.extension().is_none_or(|it| it != "git") {
            files(&path, all);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            all.push((path.display().to_string(), bytes));
        }
    }
}
