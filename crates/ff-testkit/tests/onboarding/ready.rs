//! `ff cloud setup`.

use std::time::{Duration, Instant};

use ff_testkit::journey::process::{Run, eventually};
use serde_json::json;

use crate::setup::Setup;

#[tokio::test]
async fn one_walk_leads_from_nothing_to_a_vm_that_is_ready() {
    let setup = Setup::new().await;
    let mut person = setup.at_a_terminal(&["cloud", "setup"]);
    let before = person.mode().unwrap();
    let code = setup.asks_for_a_code(&mut person).await;
    setup.lead_claude().await;
    let approved = Instant::now();
    setup.approves(&code);
    person
        .waits_for("ok     GitHub: logged in as octo")
        .await
        .unwrap();
    println!("GitHub: {:?} from the approval", approved.elapsed());
    let pasted = Instant::now();
    setup.logs_in_to_claude(&mut person).await;
    person
        .waits_for("ok     Claude: logged in as ada@example.test")
        .await
        .unwrap();
    println!("Claude: {:?} from the prompt on", pasted.elapsed());
    let proposed = "octo <1+octo@users.noreply.github.com>";
    person
        .waits_for(&format!("Enter takes `{proposed}`"))
        .await
        .unwrap();
    person.enters("").await.unwrap();
    person.waits_for("your VM is ready").await.unwrap();
    assert_eq!(person.is_gone().await.unwrap(), 0);
    assert_eq!(person.mode().unwrap(), before);

    assert_eq!(
        setup.look("git config --global user.email").await,
        "1+octo@users.noreply.github.com"
    );
    assert_eq!(setup.look("stat -c %a ~/.config/gh/hosts.yml").await, "600");
    let github = setup.world.github().unwrap().requests();
    assert!(github.iter().any(|it| it.login.as_deref() == Some("octo")));
    let (exit, report) = setup.json(&["cloud", "setup"]).await;
    assert_eq!((exit, &report["ready"]), (0, &json!(true)), "{report}");
    assert_eq!(
        report["github"],
        json!({"loggedIn": true, "account": "octo"})
    );
    assert_eq!(report["claude"]["account"], "ada@example.test");
    assert!(report.get("nextStep").is_none(), "{report}");
    for tool in ["claude", "gh", "git", "node"] {
        let version = report["tools"][tool].as_str().unwrap();
        assert!(version.contains('.'), "{tool} {version}");
    }

    let mut again = setup.at_a_terminal(&["cloud", "setup"]);
    again.waits_for("ok     GitHub").await.unwrap();
    again.waits_for("ok     Claude").await.unwrap();
    again.waits_for("ok     git identity").await.unwrap();
    again.waits_for("your VM is ready").await.unwrap();
    assert_eq!(again.is_gone().await.unwrap(), 0);
    assert!(
        !again.shown().contains("Enter logs in"),
        "{}",
        again.shown()
    );

    let (_, terminals) = setup.json(&["terminal", "list"]).await;
    assert_eq!(terminals, json!([]), "the logins left terminals behind");
    let texts = [person.shown(), again.shown(), report.to_string()];
    setup.no_token_in(&texts).await;
}

#[tokio::test]
async fn a_walk_can_be_left_anywhere_and_goes_on_from_there() {
    let setup = Setup::new().await;
    let mut first = setup.at_a_terminal(&["cloud", "setup"]);
    let before = first.mode().unwrap();
    let code = setup.asks_for_a_code(&mut first).await;
    first.types("\x1d").await.unwrap();
    first.waits_for("detached").await.unwrap();
    assert_eq!(first.is_gone().await.unwrap(), 6);
    assert_eq!(first.mode().unwrap(), before);
    let (exit, report) = setup.json(&["cloud", "setup"]).await;
    assert_eq!((exit, &report["ready"]), (6, &json!(false)));
    assert_eq!(report["nextStepCode"], "github_login");
    let (_, terminals) = setup.json(&["terminal", "list", "--vm"]).await;
    assert_eq!(terminals[0]["name"], "setup-github", "{terminals}");

    // The same code is still there, and the login that was begun ends well.
    let mut second = setup.at_a_terminal(&["cloud", "setup"]);
    second.waits_for("Enter logs in to GitHub").await.unwrap();
    second.enters("").await.unwrap();
    second.waits_for("goes on here").await.unwrap();
    second.waits_for(&code).await.unwrap();
    setup.approves(&code);
    second
        .waits_for("ok     GitHub: logged in as octo")
        .await
        .unwrap();
    second.waits_for("Enter logs in to Claude").await.unwrap();
    let pid = second.pid().unwrap().to_string();
    Run::new("kill").args(["-INT", &pid]).ok().await.unwrap();
    second.waits_for("it goes on from there").await.unwrap();
    assert_eq!(second.is_gone().await.unwrap(), 130);
    assert_eq!(second.mode().unwrap(), before);

    let identity = ["--git-name", "Ada", "--git-email", "ada@example.test"];
    let flags = [&["cloud", "setup"][..], &identity].concat();
    let (exit, report) = setup.json(&flags).await;
    assert_eq!((exit, &report["nextStepCode"]), (6, &json!("claude_login")));
    assert_eq!(report["gitIdentity"]["email"], "ada@example.test");
    let mut third = setup.at_a_terminal(&["cloud", "setup"]);
    third.waits_for("ok     GitHub").await.unwrap();
    third.waits_for("Enter logs in to Claude").await.unwrap();
    third.enters("q").await.unwrap();
    third.waits_for("not ready yet").await.unwrap();
    assert_eq!(third.is_gone().await.unwrap(), 6);

    // A login that is made elsewhere is noticed at the prompt.
    setup.lead_claude().await;
    let mut fourth = setup.at_a_terminal(&["cloud", "setup"]);
    fourth.waits_for("Enter logs in to Claude").await.unwrap();
    let mut elsewhere = setup.at_a_terminal(&["terminal", "--vm"]);
    elsewhere.waits_for("$ ").await.unwrap();
    elsewhere.enters("claude auth login").await.unwrap();
    setup.pastes_the_code(&mut elsewhere).await;
    fourth
        .waits_for("ok     Claude: logged in as ada@example.test")
        .await
        .unwrap();
    fourth.waits_for("your VM is ready").await.unwrap();
    assert_eq!(fourth.is_gone().await.unwrap(), 0);
    elsewhere.enters("exit").await.unwrap();
    elsewhere.waits_for("exit code 0").await.unwrap();
    assert_eq!(elsewhere.is_gone().await.unwrap(), 0);
    let shown = [first, second, third, fourth, elsewhere].map(|it| it.shown());
    setup.no_token_in(&shown).await;
}

#[tokio::test]
async fn a_login_that_is_given_up_is_asked_for_again() {
    let setup = Setup::new().await;
    let mut person = setup.at_a_terminal(&["cloud", "setup"]);
    setup.asks_for_a_code(&mut person).await;
    person.types("\x03").await.unwrap();
    person.waits_for("was not finished").await.unwrap();
    person.waits_for("Enter logs in to GitHub").await.unwrap();
    person.enters("s").await.unwrap();
    person.waits_for("Enter logs in to Claude").await.unwrap();
    person.enters("s").await.unwrap();
    person.waits_for("Type NAME <EMAIL>").await.unwrap();
    person.enters("Zoë <a b>").await.unwrap();
    person.waits_for("that will not do").await.unwrap();
    person.enters("Zoë Ø <zoe@example.test>").await.unwrap();
    person
        .waits_for("ok     git identity: Zoë Ø")
        .await
        .unwrap();
    assert_eq!(person.is_gone().await.unwrap(), 6);
    let name = eventually("the name is set", Duration::from_secs(10), async || {
        let name = setup.look("git config --global user.name").await;
        Ok((!name.is_empty()).then_some(name))
    });
    assert_eq!(name.await.unwrap(), "Zoë Ø");
}
