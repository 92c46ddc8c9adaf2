//! What is asked of a database: durability, migrations and claims beside each other, silence on
//! passwords.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use ff_cloud::clock;
use ff_cloud::db::entity::{usage, vm};
use ff_cloud::db::pool::{self, Claim};
use ff_cloud::db::vms::{self, Change, NewVm};
use ff_cloud::db::{Address, Db, users};
use ff_protocol::vm::VmState;
use ff_protocol::{UserId, VmId};
use futures_util::future;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, Statement};
use support::postgres::{Database, address};

async fn answer(db: &Db, sql: &str) -> String {
    let connection = db.write();
    let asked = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(asked).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_operator_has_set() {
    let database = Database::new().await;
    let name = &database.name;
    database.sql(&format!(
        "ALTER DATABASE {name} SET synchronous_commit TO off"
    ));
    assert_eq!(database.sql("SHOW synchronous_commit"), "off");
    let url = format!("{}&options=-csynchronous_commit%3Doff", database.url());
    let db = Db::open(&address(&url)).await.unwrap();
    let asked = (0..20).map(|_| answer(&db, "SHOW synchronous_commit"));
    for setting in future::join_all(asked).await {
        assert_eq!(setting, "on");
    }
    db.close().await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let file = Address::Sqlite(dir.path().join("cloud.db"));
    let db = Db::open(&file).await.unwrap();
    let full = "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous";
    assert_eq!(answer(&db, full).await, "2");
    db.close().await.unwrap();
}

#[tokio::test]
async fn servers_that_start_at_once_migrate_once() {
    for _ in 0..3 {
        let database = Database::empty().await;
        let address = database.address();
        let opened = future::join_all((0..8).map(|_| Db::open(&address))).await;
        let user: UserId = "test-user".parse().unwrap();
        for db in opened {
            let db = db.unwrap();
            users::ensure(db.write(), &user).await.unwrap();
            db.close().await.unwrap();
        }
        let migrations = "SELECT count(*), count(DISTINCT version) FROM seaql_migrations";
        assert_eq!(database.sql(migrations), "4|4");
        assert_eq!(database.sql("SELECT count(*) FROM users"), "1");
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        assert_eq!(database.sql(held), "0");
    }
}

#[tokio::test]
async fn a_vm_of_the_pool_is_given_once_whoever_claims_at_the_same_time() {
    let (database, dir) = (Database::new().await, tempfile::tempdir().unwrap());
    let address = database.address();
    let (one, other) = (Db::open(&address).await, Db::open(&address).await);
    let file = Address::Sqlite(dir.path().join("cloud.db"));
    let file = Db::open(&file).await.unwrap();
    for servers in [[one.unwrap(), other.unwrap()], [file.clone(), file]] {
        let db = servers[0].write();
        for _ in 0..8 {
            let id = VmId::generate();
            let new = NewVm {
                id: id.clone(),
                user: None,
                image: "ff-vm".to_owned(),
                image_id: None,
                deadline: clock::now(),
            };
            vms::insert(db, new).await.unwrap().unwrap();
            let (from, to) = (VmState::Provisioning, VmState::Pooled);
            let change = Change::default();
            assert!(vms::transition(db, &id, from, to, change).await.unwrap());
        }
        let users: Vec<UserId> = (0..40)
            .map(|nth| format!("user-{nth}").parse().unwrap())
            .collect();
        for user in &users {
            users::ensure(db, user).await.unwrap();
        }
        let claims = users.iter().enumerate().map(async |(nth, user)| {
            let claimed = pool::claim(servers[nth % 2].write(), user, None).await;
            match claimed.unwrap() {
                Claim::Got(row) => Some((row.id, user.to_string())),
                Claim::Empty | Claim::Taken => None,
            }
        });
        let told: Vec<_> = future::join_all(claims).await;
        let told: BTreeSet<_> = told.into_iter().flatten().collect();
        let rows = vm::Entity::find().all(db).await.unwrap();
        let owned = rows.into_iter().filter(|row| row.user_id.is_some());
        let owned: BTreeSet<_> = owned
            .map(|row| (row.id, row.live_user_id.unwrap()))
            .collect();
        assert_eq!(told, owned, "two users were told the same VM");
        assert!(!told.is_empty());
        let counted = usage::Entity::find().count(db).await.unwrap();
        assert_eq!(counted, told.len() as u64);
        for db in servers {
            db.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn connections_that_the_database_ended_are_replaced() {
    let database = Database::new().await;
    let db = Db::open(&database.address()).await.unwrap();
    let user: UserId = "test-user".parse().unwrap();
    users::ensure(db.write(), &user).await.unwrap();
    database.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert!(users::exists(db.read(), &user).await.unwrap());
    assert_eq!(answer(&db, "SHOW synchronous_commit").await, "on");
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_the_password() {
    let database = Database::new().await;
    let dir = database.socket_dir().display();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    for (url, words) in [
        (
            format!("postgres://ff:hushhush@localhost/no_such?host={dir}"),
            ["no_such", "does not exist"],
        ),
        (
            format!("postgres://who:hushhush@localhost/some?host={dir}"),
            ["some", "who"],
        ),
        (
            format!("postgres://ff:hushhush@{closed}/some"),
            ["some", "refused"],
        ),
        (
            format!("postgres://ff:hushhush@{silent}/some"),
            ["some", "no answer in 10 s"],
        ),
    ] {
        let address = address(&url);
        let opening = Db::open(&address);
        let opened = tokio::time::timeout(Duration::from_secs(30), opening).await;
        let error = opened.unwrap().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
        assert!(!shown.contains("hushhush"), "{shown}");
    }
}
