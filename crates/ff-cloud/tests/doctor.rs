//! What the doctor sees and mends, and when it refuses to look.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use chrono::TimeDelta;
use ff_cloud::App;
use ff_cloud::compute::docker::{DockerProvider, INSTANCE_LABEL, VM_LABEL};
use ff_cloud::compute::{Provider, Spec};
use ff_cloud::db::entity::vm;
use ff_cloud::db::{Address, Db};
use ff_cloud::identity::Identity;
use ff_cloud::lifecycle::Lifecycle;
use ff_cloud::services::vm::Kind;
use ff_protocol::VmId;
use ff_protocol::limits::Preset;
use ff_protocol::vm::Vm;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use support::backend::{Backend, Store};
use support::postgres::Database;
use support::world::{Made, docker, inspect, remove_labelled, there};
use support::{Server, config};

async fn seen(server: &Server) -> Vec<(Kind, String)> {
    let found = server.app.vms.differences().await.unwrap();
    found.into_iter().map(|it| (it.code, it.object)).collect()
}

async fn each_difference_is_named_and_mended_but_for_a_home_of_nobody(backend: Backend) {
    let server = Server::with(backend, &["--stranger-grace=1"]).await;
    let mut made = Vec::new();
    for user in ["removed", "ended", "homeless", "stuck", "asleep", "well"] {
        made.push(server.create_vm(user).await.vm().id);
    }
    let [removed, ended, homeless, stuck, asleep, well] = made.try_into().unwrap();
    let suspend = format!("/api/vms/{asleep}/suspend");
    server.post(&suspend, json!({"tier": "stopped"})).await;
    // One that hears no agent, and so repairs nothing by itself.
    let server = server.crash().await;
    let provider = &server.provider;
    assert_eq!(seen(&server).await, []);

    provider.lose_machine(&removed);
    provider.kill(&ended);
    provider.lose_machine(&homeless);
    provider.lose_home(&homeless);
    vm::Entity::update_many()
        .filter(vm::Column::Id.eq(stuck.as_str()))
        .col_expr(
            vm::Column::State,
            Expr::value(vm::State::Resuming.to_value()),
        )
        .col_expr(
            vm::Column::DeadlineAt,
            Expr::value(ff_cloud::clock::now() - TimeDelta::seconds(1)),
        )
        .exec(server.app.db.write())
        .await
        .unwrap();
    let stranger = VmId::generate();
    provider.ensure_home(&stranger).await.unwrap();
    let spec = Spec {
        image: "ff-vm:latest",
        limits: Preset::Small.limits(),
    };
    provider.create(&stranger, spec).await.unwrap();
    provider.add_network("a network", None);

    let unknown_home = (Kind::UnknownHome, format!("home of {stranger}"));
    let expected = [
        (Kind::ContainerMissing, removed.to_string()),
        (Kind::ContainerDiffers, ended.to_string()),
        (Kind::HomeLost, homeless.to_string()),
        (Kind::Stuck, stuck.to_string()),
        (Kind::UnknownContainer, stranger.to_string()),
        unknown_home.clone(),
        (Kind::StrayNetwork, "a network".to_owned()),
    ];
    assert_eq!(seen(&server).await, expected);
    assert_eq!(seen(&server).await, expected, "looking changes nothing");

    let left = server.app.vms.mend(Duration::from_secs(60)).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(seen(&server).await, [unknown_home]);
    for (vm, state, code) in [
        (&removed, "RUNNING", json!("container_removed")),
        (&ended, "RUNNING", json!("exited")),
        (&homeless, "FAILED", json!("volume_missing")),
        (&stuck, "FAILED", json!("deadline")),
        (&asleep, "STOPPED", json!("asked")),
        (&well, "RUNNING", Value::Null),
    ] {
        let shown = server.get(&format!("/api/vms/{vm}")).await.body;
        assert_eq!(
            (&shown["state"], &shown["reasonCode"]),
            (&json!(state), &code)
        );
    }
    assert!(provider.inspect(&stranger).await.unwrap().is_none());
    assert!(provider.home_exists(&stranger).await.unwrap());
}

async fn a_database_of_another_version_is_not_looked_at(backend: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let store = backend.store().await;
    let mut config = config(dir.path(), &[]);
    store.enter(&mut config);
    let address = config.database().unwrap();
    let db = Db::open(&address).await.unwrap();
    Db::peek(&address).await.unwrap().close().await.unwrap();
    let change = async |sql: &str| {
        db.write().execute_unprepared(sql).await.unwrap();
        let peeked = Db::peek(&address).await;
        peeked.map(|_| ()).unwrap_err().to_string()
    };
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)";
    assert!(change(newer).await.contains("newer than this program"));
    let older = "DELETE FROM seaql_migrations WHERE version > 'm0001_g'";
    assert!(change(older).await.contains("older than this program"));
    assert!(
        change("DROP TABLE seaql_migrations")
            .await
            .contains("older")
    );
    db.close().await.unwrap();
}

async fn who_looks_cannot_write(backend: Backend) {
    let server = Server::new(backend).await;
    server.create_vm("test-user").await;
    let address = server.app.config.database().unwrap();
    let peeked = Db::peek(&address).await.unwrap();
    let rows = vm::Entity::find().all(peeked.read()).await.unwrap();
    assert_eq!(rows.len(), 1);
    let refused = vm::Entity::delete_many().exec(peeked.write()).await;
    assert!(refused.is_err());
    peeked.close().await.unwrap();
}

both_dbs! {
    each_difference_is_named_and_mended_but_for_a_home_of_nobody
    a_database_of_another_version_is_not_looked_at
    who_looks_cannot_write
}

/// Exit code, standard output and standard error of the program.
async fn doctor(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ff-cloud"));
    command
        .args(["doctor", "--dev", "--data-dir"])
        .arg(dir)
        .args(args)
        .env_remove("RUST_LOG")
        .env_remove("DATABASE_URL")
        .env_remove("FF_CLOUD_DATABASE_URL")
        .envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn what_cannot_be_seen_is_said_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (code, out, error) = doctor(&data, &[], &[]).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains(data.to_str().unwrap()), "{error}");
    assert!(!data.exists());

    for provider in ["sim", "process"] {
        let args = ["--provider", provider, "--fix"];
        let (code, out, error) = doctor(&data, &args, &[]).await;
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(!data.exists());
    }

    // An identity without a database, then both without an engine.
    drop(Identity::open(&data).unwrap());
    let (code, _, error) = doctor(&data, &["--fix"], &[]).await;
    assert_eq!(code, 2);
    assert!(error.contains("cloud.db"), "{error}");
    assert!(!data.join("cloud.db").exists());
    let file = Address::Sqlite(data.join("cloud.db"));
    Db::open(&file).await.unwrap().close().await.unwrap();
    let nowhere = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let (code, out, error) = doctor(&data, &["--fix"], &nowhere).await;
    assert_eq!(code, 2, "{out} {error}");
    assert!(out.starts_with("error engine_unreachable: "), "{out}");

    let database = Database::new().await;
    let url = database.url();
    let variables = [nowhere[0], ("FF_CLOUD_DATABASE_URL", url.as_str())];
    let (code, out, error) = doctor(&data, &["--json"], &variables).await;
    assert_eq!(code, 2, "{out} {error}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["findings"][0]["code"], "engine_unreachable");
}

/// Removes what carries a server's label.
struct Labelled(String);

impl Drop for Labelled {
    fn drop(&mut self) {
        remove_labelled(&self.0);
    }
}

async fn server_at(dir: &Arc<tempfile::TempDir>, image: &str) -> Server<()> {
    let config = config(dir.path(), &["--image", image]);
    let provider = |config: &_, identity: &_| {
        let provider: Arc<dyn Provider> = Arc::new(DockerProvider::new(config, identity)?);
        Ok(provider)
    };
    let app = App::open(config, Lifecycle::new(), provider).await.unwrap();
    Server {
        app,
        provider: Arc::new(()),
        dir: dir.clone(),
        store: Store::Sqlite,
        args: Vec::new(),
    }
}

async fn end(server: Server<()>) {
    server.app.lifecycle.hard.cancel();
    server.app.lifecycle.finish().await;
}

#[tokio::test]
async fn on_docker_it_names_and_mends_what_was_planted_and_no_home_is_lost() {
    let image = std::env::var("FF_VM_IMAGE").unwrap_or("ff-vm:latest".to_owned());
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let server = server_at(&dir, &image).await;
    let instance = std::fs::read_to_string(dir.path().join("instance-id")).unwrap();
    let _cleanup = Labelled(instance.clone());
    let answer = server.create_vm("test-user").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let vm = Made::of(&answer.body);
    vm.shell("echo kept > ~/note");

    let stranger = VmId::generate();
    let labels = [
        format!("{INSTANCE_LABEL}={instance}"),
        format!("{VM_LABEL}={stranger}"),
    ];
    let labelled = ["--label", &labels[0], "--label", &labels[1]];
    let (container, volume) = (format!("ff-vm-{stranger}"), format!("ff-home-{stranger}"));
    docker(&[&["volume", "create"], &labelled[..], &[&volume]].concat());
    docker(&[&["create", "--name", &container], &labelled[..], &[&image]].concat());
    // A server would make it again at once.
    end(server).await;
    docker(&["rm", "-f", &vm.container]);

    let given = ["--image", image.as_str()];
    let (code, out, error) = doctor(dir.path(), &given, &[]).await;
    assert_eq!(code, 1, "{out} {error}");
    for line in [
        format!("container_missing {}: ", vm.id),
        format!("unknown_container {stranger}: "),
        format!("unknown_home {volume}: "),
    ] {
        let named = out.lines().filter(|it| it.starts_with(&line));
        assert_eq!(named.count(), 1, "{line} in {out}");
    }
    let live_restore = docker(&["info", "--format", "{{.LiveRestoreEnabled}}"]);
    assert_eq!(out.contains("live_restore_off"), live_restore == "false");
    assert!(there(&["container", "inspect", &container]));
    assert!(!there(&["container", "inspect", &vm.container]));

    let fix = [&given[..], &["--fix", "--json"]].concat();
    let (code, out, error) = doctor(dir.path(), &fix, &[]).await;
    assert_eq!(code, 1, "the volume is left: {out} {error}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let codes = |part: &str| -> Vec<String> {
        let found = json[part].as_array().unwrap().iter();
        found
            .map(|it| it["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(json["serverRuns"], false);
    assert_eq!(codes("differences"), ["unknown_home"]);
    assert_eq!(codes("mended"), ["container_missing", "unknown_container"]);
    assert!(!there(&["container", "inspect", &container]));
    assert!(there(&["volume", "inspect", &volume]));
    assert_eq!(inspect(&vm.container)["State"]["Running"], true);
    assert_eq!(vm.shell("cat ~/note"), "kept");

    // Beside a server that is at work it waits for that.
    docker(&["volume", "rm", &volume]);
    let server = server_at(&dir, &image).await;
    docker(&["rm", "-f", &vm.container]);
    server.app.vms.start_tasks();
    let look = [&given[..], &["--json"]].concat();
    let (_, out, error) = doctor(dir.path(), &look, &[]).await;
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {error}"));
    assert_eq!(json["serverRuns"], true);
    let fix = [&given[..], &["--fix"]].concat();
    let (code, out, error) = doctor(dir.path(), &fix, &[]).await;
    assert_eq!(code, 0, "{out} {error}");
    assert!(out.contains("a server runs on this data"), "{out}");
    server.until_state(&vm.id, "RUNNING").await;
    let shown: Vm = server.get(&vm.path).await.vm();
    assert_eq!(shown.reason_code.as_deref(), Some("container_removed"));
    assert_eq!(vm.shell("cat ~/note"), "kept");
    end(server).await;
}
