//! A conversation that moves with its workspace: from the desktop's CLI to the VM's, and back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ff_testkit::journey::outside::sqlite_row;
use ff_testkit::journey::process::Run;
use ff_testkit::journey::{World, up_to};
use ff_testkit::messages::{DEFAULT_API_KEY, PromptPlan};
use serde_json::{Value, json};

use crate::stage::options;

/// As a user would type it in the VM, with the login of `gh`.
const OPEN: &str = "git -c credential.helper= -c credential.helper='!gh auth git-credential' \
    push --quiet --set-upstream origin HEAD && gh pr create --title 'On the way' --body 'It is there.'";

/// Puts the CLI of the image, and its login, where the desktop's user has them.
fn install_cli(world: &World) {
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let file = std::fs::File::create(bin.join("claude")).unwrap();
    let copied = Command::new("docker")
        .args(["run", "--rm", "--network", "none", "--entrypoint", "sh"])
        .args([&options().image, "-c"])
        .arg("cat \"$(readlink -f \"$(command -v claude)\")\"")
        .stdout(Stdio::from(file))
        .status()
        .unwrap();
    assert!(copied.success());
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join("claude"), mode).unwrap();
    let settings = json!({"env": {
        "ANTHROPIC_BASE_URL": world.messages().unwrap().url(),
        "ANTHROPIC_API_KEY": DEFAULT_API_KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }});
    let dir = world.home().join(".claude");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("settings.json"), settings.to_string()).unwrap();
}

/// `ff` of a user who has the CLI.
fn ff<'a>(world: &World, args: impl IntoIterator<Item = &'a str>) -> Run {
    let path = std::env::var("PATH").unwrap();
    let bin = world.home().join("bin");
    world
        .ff(args)
        .env("PATH", format!("{}:{path}", bin.display()))
}

/// What the API was told in the last request of a conversation.
fn last_request(world: &World, conversation: &str) -> String {
    let asked = world.messages().unwrap().requests().into_iter();
    let of = asked.filter(|request| {
        let has_tools = request.body["tools"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
        request.is_message() && has_tools && request.session.as_deref() == Some(conversation)
    });
    of.last().unwrap().body["messages"].to_string()
}

/// Whether each text is there, in this order.
fn in_order(said: &str, texts: &[&str]) -> bool {
    let mut rest = said;
    texts.iter().all(|text| match rest.split_once(text) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

async fn row(file: &Path, sql: &str, columns: &[&str]) -> Vec<String> {
    sqlite_row(file, sql, columns).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_conversation_goes_on_in_the_vm_and_again_on_the_desktop() {
    let world = up_to(options(), "workspace").await.unwrap();
    world.messages().unwrap().set_script(PromptPlan);
    install_cli(&world);
    let id = world.workspace().unwrap();
    let told = [
        "the first word is aardvark",
        "the second word is badger",
        "the third word is cuckoo",
        "the fourth word is dodo",
        "the fifth word is emu",
    ];
    let prompts = told.map(|words| format!("SAY {words}"));

    let started = ff(&world, ["session", "start", id, "--prompt", &prompts[0]]);
    assert!(started.ok().await.unwrap().stdout.contains(told[0]));
    let listed = ff(&world, ["--json", "session", "list", id]).json().await;
    let session = listed.unwrap()[0].clone();
    let conversation = session["providerSessionId"].as_str().unwrap().to_owned();
    let session = session["id"].as_str().unwrap().to_owned();
    let prompt = async |nth: usize| {
        let args = ["session", "send", id, &session, "--prompt", &prompts[nth]];
        let ran = ff(&world, args).ok().await.unwrap();
        assert!(ran.stdout.contains(told[nth]), "{}", ran.stdout);
    };
    prompt(1).await;
    prompt(2).await;

    ff(&world, ["send", id]).ok().await.unwrap();
    let show = async || -> Value {
        let shown = ff(&world, ["--json", "workspace", "show", id]).json();
        shown.await.unwrap()
    };
    let owner = format!("SELECT owner FROM workspaces WHERE id = '{id}'");
    let cloud_db = world.server_dir().join("cloud.db");
    let desktop_db = world.home().join(".local/share/factory-factory/core.db");
    assert_eq!(show().await["location"], "CLOUD");
    for file in [&cloud_db, &desktop_db] {
        assert_eq!(row(file, &owner, &["owner"]).await, ["cloud"], "{file:?}");
    }
    prompt(3).await;
    let said = last_request(&world, &conversation);
    assert!(in_order(&said, &told[..4]), "{said}");

    // By hand, in the VM's terminal: the clone is there, and a pull request is opened.
    let checkout = world.vm_checkout().unwrap();
    let typed = format!(
        "cd {checkout} && git log --oneline && git status --short --branch\n{OPEN}; echo \"opened=$?\"; exit\n"
    );
    let seen = ff(&world, ["terminal", "--vm"]).input(&typed).ok().await;
    let seen = seen.unwrap().stdout;
    assert!(
        seen.contains("Local work") && seen.contains("opened=0"),
        "{seen}"
    );
    ff(&world, ["pr", "sync", id]).ok().await.unwrap();
    let there = show().await;
    let url = there["pr"]["url"].as_str().unwrap().to_owned();
    assert!(url.ends_with("/pull/1"), "{there}");

    ff(&world, ["pull", id]).ok().await.unwrap();
    let here = show().await;
    assert_eq!(here["location"], "DESKTOP");
    assert_eq!(
        (&here["pr"]["url"], &here["pr"]["number"]),
        (&json!(url), &json!(1))
    );
    let pr = format!("SELECT url FROM workspace_prs WHERE workspace_id = '{id}'");
    assert_eq!(row(&desktop_db, &pr, &["url"]).await, [&*url]);
    for file in [&cloud_db, &desktop_db] {
        let owner = row(file, &owner, &["owner"]).await.remove(0);
        assert!(owner.starts_with("desktop:"), "{file:?}: {owner}");
    }
    let shown = ff(&world, ["--json", "session", "show", id, &session]).json();
    let shown = shown.await.unwrap().to_string();
    assert!(in_order(&shown, &told[..4]), "{shown}");
    prompt(4).await;
    let said = last_request(&world, &conversation);
    assert!(in_order(&said, &told), "{said}");
}
