//! The real `gh` against a GitHub of our own.

mod failures;
mod reads;
mod sharing;

use std::path::PathBuf;
use std::time::Duration;

use ff_testkit::github::{Gh, GitHub as StandIn, GitHubConfig, PullRequest};

use super::{GitHub, Limits, Numbered, RepoName};
use crate::activity::Awake;
use crate::config::{CoreConfig, Side};

/// A pause that a test can wait for.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);
pub(crate) const TOKEN: &str = "gho_testkitocto";

/// A GitHub with the repository `octo/demo`, and a `gh` that is logged in there.
pub(crate) struct World {
    pub(crate) stand_in: StandIn,
    pub(crate) gh: Gh,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stand_in = StandIn::start(GitHubConfig {
            bind: "127.0.0.1:0".parse().unwrap(),
            ..GitHubConfig::default()
        })
        .await
        .unwrap();
        stand_in.create_repo("octo", "demo").await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let gh = Gh::install(&dir.path().join("bin"), &stand_in).unwrap();
        Gh::log_in(&dir.path().join(".config"), TOKEN).unwrap();
        Self { stand_in, gh, dir }
    }

    pub(crate) fn config(&self) -> CoreConfig {
        let home = self.dir.path().to_owned();
        let (data, base) = (home.join("data"), home.join("base"));
        let mut config = CoreConfig::new(Side::Cloud, home, data, base);
        config.gh = self.gh.program();
        config.github_pause = PAUSE;
        config
    }

    pub(crate) fn client(&self) -> GitHub {
        self.client_with(Limits::default())
    }

    pub(crate) fn client_with(&self, limits: Limits) -> GitHub {
        GitHub::with_limits(&self.config(), Awake::default(), limits)
    }

    /// A client whose `gh` is this script.
    pub(crate) fn client_of(&self, script: &str, limits: Limits) -> GitHub {
        use std::os::unix::fs::PermissionsExt;
        let mut config = self.config();
        config.gh = self.dir.path().join("other-gh");
        std::fs::write(&config.gh, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&config.gh, mode).unwrap();
        GitHub::with_limits(&config, Awake::default(), limits)
    }

    pub(crate) fn missing_gh(&self) -> GitHub {
        let mut config = self.config();
        config.gh = PathBuf::from("/nowhere/gh");
        GitHub::new(&config, Awake::default())
    }

    /// Opens a pull request of this branch.
    pub(crate) fn open(&self, branch: &str) -> Numbered {
        self.set(PullRequest {
            head: branch.to_owned(),
            author: "octo".to_owned(),
            ..PullRequest::default()
        })
    }

    pub(crate) fn set(&self, pull: PullRequest) -> Numbered {
        Numbered {
            repo: demo(),
            number: self.stand_in.set_pull_request("octo", "demo", pull),
        }
    }

    /// Calls of GitHub's API so far.
    pub(crate) fn api_calls(&self) -> usize {
        let requests = self.stand_in.requests();
        let calls = requests.iter().filter(|it| it.host == "api.github.com");
        calls.count()
    }
}

pub(crate) fn demo() -> RepoName {
    RepoName::new("octo", "demo").unwrap()
}

/// Limits that a test can wait for.
pub(crate) fn short() -> Limits {
    Limits {
        read: Duration::from_secs(2),
        user: Duration::from_secs(2),
        user_kept: Duration::from_millis(200),
    }
}
