//! Projects and workspaces themselves, by REST over a real repository.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::World;

fn git(home: &Path, dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("HOME", home)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct Scene {
    world: World,
    repo: PathBuf,
    project: String,
}

impl Scene {
    async fn new(scripts: Value) -> Self {
        let world = World::new().await;
        let home = world.home().to_owned();
        for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.test")] {
            git(&home, &home, &["config", "--global", key, value]);
        }
        let repo = home.join("repo");
        std::fs::create_dir(&repo).unwrap();
        git(&home, &repo, &["init", "--quiet", "--initial-branch=main"]);
        let text = json!({ "scripts": scripts }).to_string();
        std::fs::write(repo.join("factory-factory.json"), text).unwrap();
        git(&home, &repo, &["add", "-A"]);
        git(&home, &repo, &["commit", "--quiet", "-m", "first"]);
        let body = json!({ "repoPath": repo }).to_string();
        let (status, project) = world.post("/api/projects", &body).await;
        assert_eq!(status, 201, "{project}");
        let project = project["id"].as_str().unwrap().to_owned();
        Self {
            world,
            repo,
            project,
        }
    }

    async fn made(&self, name: &str) -> Value {
        let body = json!({ "projectId": self.project, "name": name }).to_string();
        let (status, made) = self.world.post("/api/workspaces", &body).await;
        assert_eq!((status, &made["status"]), (201, &json!("NEW")));
        let path = format!("/api/workspaces/{}/init", made["id"].as_str().unwrap());
        for _ in 0..600 {
            let (_, report) = self.world.get(&path).await;
            let status = &report["workspace"]["status"];
            if status != "NEW" && status != "PROVISIONING" {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it is not made");
    }
}

#[tokio::test]
async fn a_workspace_is_made_run_and_put_away_by_rest() {
    let scene = Scene::new(json!({"setup": "echo set up", "run": "echo up; sleep 600"})).await;
    let report = scene.made("By REST").await;
    assert_eq!(report["workspace"]["status"], "READY", "{report}");
    assert!(report["output"].as_str().unwrap().contains("set up"));
    let world = &scene.world;
    let path = format!(
        "/api/workspaces/{}",
        report["workspace"]["id"].as_str().unwrap()
    );
    let (status, problem) = world.post(&format!("{path}/retry"), "").await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let (status, started) = world.post(&format!("{path}/run/start"), "").await;
    assert_eq!(
        (status, &started["runScript"]["status"]),
        (200, &json!("RUNNING"))
    );
    let (_, logs) = world.get(&format!("{path}/run")).await;
    assert_eq!(logs["runScript"]["status"], "RUNNING");
    let (_, stopped) = world.post(&format!("{path}/run/stop"), "").await;
    assert_eq!(stopped["runScript"]["status"], "IDLE");
    let worktree = PathBuf::from(report["workspace"]["worktreePath"].as_str().unwrap());
    std::fs::write(worktree.join("work"), "work").unwrap();
    let (status, archived) = world.post(&format!("{path}/archive"), "").await;
    assert_eq!((status, &archived["status"]), (200, &json!("ARCHIVED")));
    assert_eq!(
        git(world.home(), &scene.repo, &["show", "by-rest:work"]),
        "work"
    );
    let (status, _) = world.post(&format!("{path}/sessions"), "{}").await;
    assert_eq!(status, 409, "nothing starts in it");
    world.core.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_with_its_code() {
    let scene = Scene::new(json!({})).await;
    let world = &scene.world;
    let project = &scene.project;
    for (body, status, code) in [
        (json!({"projectId": project}), 422, "invalid"),
        (json!({"name": "x"}), 422, "invalid"),
        (
            json!({"projectId": "nothing", "name": "x"}),
            404,
            "not_found",
        ),
        (
            json!({"projectId": project, "branch": "main"}),
            409,
            "conflict",
        ),
        (
            json!({"projectId": project, "branch": "no"}),
            409,
            "branch_missing",
        ),
        (
            json!({"projectId": project, "branch": "-f"}),
            422,
            "invalid",
        ),
        (json!({"projectId": project, "issue": "x"}), 422, "invalid"),
    ] {
        let (got, problem) = world.post("/api/workspaces", &body.to_string()).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)), "{body}");
    }
    for body in [
        json!({"repoPath": "relative"}),
        json!({"repoPath": "/nowhere"}),
    ] {
        let (got, _) = world.post("/api/projects", &body.to_string()).await;
        assert_eq!(got, 422, "{body}");
    }
    let (_, list) = world.get("/api/projects").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}
