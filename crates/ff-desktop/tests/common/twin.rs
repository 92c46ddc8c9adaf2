//! A second desktop of the same user.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};

use super::{Desktop, git};

impl Desktop {
    /// The records of this machine.
    pub async fn records(&self) -> DatabaseConnection {
        let file = self.path("data/factory-factory/core.db");
        let address = format!("sqlite://{}", file.display());
        Database::connect(address).await.unwrap()
    }

    /// Another machine that had the workspaces of this one at some time: its own clone of the
    /// project, and the same records but for what is this machine's own.
    pub async fn twin(&self) -> Self {
        let twin = Self::new();
        let origin = git(&self.path("app"), &["remote", "get-url", "origin"]);
        let (from, to) = (self.path("app"), twin.path("app"));
        git(&from, &["clone", "--quiet", ".", to.to_str().unwrap()]);
        git(&to, &["remote", "set-url", "origin", &origin]);
        git(&to, &["config", "user.name", "Test"]);
        git(&to, &["config", "user.email", "test@example.test"]);
        let copy = twin.path("data/factory-factory/core.db");
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let records = self.records().await;
        let whole = format!("VACUUM INTO '{}'", copy.display());
        records.execute_unprepared(&whole).await.unwrap();
        records.close().await.unwrap();
        let records = twin.records().await;
        let (mine, its) = (self.dir.path().display(), twin.dir.path().display());
        for change in [
            "DELETE FROM meta WHERE key = 'installation_id'".to_owned(),
            "DELETE FROM retained".to_owned(),
            "DELETE FROM handoffs".to_owned(),
            "UPDATE workspaces SET worktree_path = NULL".to_owned(),
            format!(
                "UPDATE projects SET repo_path = replace(repo_path, '{mine}', '{its}'),
                 worktree_base_path = replace(worktree_base_path, '{mine}', '{its}')"
            ),
        ] {
            records.execute_unprepared(&change).await.unwrap();
        }
        records.close().await.unwrap();
        twin
    }
}
