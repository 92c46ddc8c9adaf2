//! A server over the real engine, and the engine as the `docker` command shows it.

use std::process::Command;
use std::sync::Arc;

use axum::http::StatusCode;
use ff_cloud::App;
use ff_cloud::compute::docker::{DockerProvider, INSTANCE_LABEL};
use ff_cloud::lifecycle::Lifecycle;
use serde_json::Value;

use super::backend::Store;
use super::{Server, config};

pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn there(args: &[&str]) -> bool {
    Command::new("docker")
        .args(args)
        .output()
        .unwrap()
        .status
        .success()
}

pub fn inspect(container: &str) -> Value {
    let text = docker(&["inspect", "--type", "container", container]);
    serde_json::from_str::<Value>(&text).unwrap()[0].clone()
}

/// A server over Docker; what it made goes with it.
pub struct World {
    pub server: Server<()>,
    pub instance: String,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.app.lifecycle.hard.cancel();
        remove_labelled(&self.instance);
    }
}

/// Removes what a server with this instance id made.
pub fn remove_labelled(instance: &str) {
    let removed = ff_testkit::journey::outside::remove_labelled(instance);
    if !std::thread::panicking() {
        removed.unwrap();
    }
}

impl World {
    pub async fn new(args: &[&str]) -> Self {
        Self::at(None, args).await
    }

    pub async fn at(host: Option<String>, args: &[&str]) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let image = std::env::var("FF_VM_IMAGE").unwrap_or("ff-vm:latest".to_owned());
        let mut all = vec!["--image", &image];
        if args.contains(&"--image") {
            all.clear();
        }
        all.extend(args);
        let mut config = config(dir.path(), &all);
        Store::Sqlite.enter(&mut config);
        let app = App::open(config, Lifecycle::new(), |config, identity| {
            Ok(Arc::new(DockerProvider::at(host, config, identity)?))
        })
        .await
        .unwrap();
        let instance = std::fs::read_to_string(dir.path().join("instance-id")).unwrap();
        let server = Server {
            app,
            provider: Arc::new(()),
            dir,
            store: Store::Sqlite,
            args: Vec::new(),
        };
        Self { server, instance }
    }

    pub async fn vm(&self) -> Made {
        let answer = self.server.create_vm("test-user").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        Made::of(&answer.body)
    }

    pub async fn wake(&self, vm: &Made) {
        let path = format!("{}/onboarding?wake=true", vm.path);
        let answer = self.server.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    pub fn containers(&self) -> Vec<String> {
        let filter = format!("label={INSTANCE_LABEL}={}", self.instance);
        let names = docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
        names.split_whitespace().map(str::to_owned).collect()
    }

    pub fn volumes(&self) -> Vec<String> {
        let filter = format!("label={INSTANCE_LABEL}={}", self.instance);
        let names = docker(&["volume", "ls", "-q", "--filter", &filter]);
        names.split_whitespace().map(str::to_owned).collect()
    }
}

pub struct Made {
    pub id: String,
    pub path: String,
    pub container: String,
    pub volume: String,
}

impl Made {
    pub fn of(body: &Value) -> Self {
        let id = body["id"].as_str().unwrap().to_owned();
        Self {
            path: format!("/api/vms/{id}"),
            container: format!("ff-vm-{id}"),
            volume: format!("ff-home-{id}"),
            id,
        }
    }

    pub fn shell(&self, script: &str) -> String {
        docker(&["exec", &self.container, "sh", "-c", script])
    }
}
