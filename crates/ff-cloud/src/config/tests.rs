use clap::CommandFactory;
use rstest::rstest;

use super::*;

fn parse(args: &[&str]) -> Result<Config, clap::Error> {
    let args = ["ff-cloud", "serve"].iter().chain(args);
    match Cli::try_parse_from(args)?.command {
        Command::Serve(config) => Ok(*config),
        Command::Doctor(_) => panic!("not asked for"),
    }
}

#[test]
fn command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn without_arguments_it_has_the_documented_defaults() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:3000".parse().unwrap());
    assert_eq!(config.image, "ff-vm:latest");
    let settings = config.vm_settings();
    let seconds = |value: Option<Duration>| value.map(|it| it.as_secs());
    assert_eq!(seconds(settings.idle.freeze_after), Some(600));
    assert_eq!(seconds(settings.idle.stop_after), Some(7200));
    assert_eq!(seconds(settings.idle.stop_holding_after), Some(43200));
    assert_eq!(settings.pool.size, 0);
    assert_eq!(config.vm.memory, 4 << 30);
    assert_eq!(config.vm.pids, 1024);
    let agent = config.vm.agent.environment().map(|(_, value)| value);
    assert_eq!(agent, ["50", "120"]);
}

#[rstest]
#[case(&["--idle-stop", "0"])]
#[case(&["--vm-memory", "12"])]
#[case(&["--vm-memory", "99999999999g"])]
#[case(&["--vm-memory", ""])]
#[case(&["--vm-cpus", "NaN"])]
#[case(&["--vm-cpus", "0"])]
#[case(&["--vm-pids", "3"])]
#[case(&["--vm-terminals", "0"])]
#[case(&["--vm-pr-interval", "0"])]
#[case(&["--vm-extra-host", "no-address"])]
#[case(&["--vm-extra-host", "a b:127.0.0.1"])]
#[case(&["--listen", "localhost"])]
#[case(&["--provider", "cloud"])]
fn nonsense_is_refused(#[case] args: &[&str]) {
    let error = parse(args).unwrap_err().to_string();
    assert!(error.contains(args[0]), "{error}");
}

#[test]
fn extra_hosts_take_both_kinds_of_address() {
    let config = parse(&[
        "--vm-extra-host",
        "github.com:172.17.0.1",
        "--vm-extra-host",
        "six.test:[fd00::1]",
    ])
    .unwrap();
    let shown: Vec<_> = config
        .vm
        .extra_host
        .iter()
        .map(|host| format!("{} {}", host.name, host.ip))
        .collect();
    assert_eq!(shown, ["github.com 172.17.0.1", "six.test fd00::1"]);
}

#[rstest]
#[case(&[], "--dev")]
#[case(&["--dev", "--listen", "0.0.0.0:3000"], "127.0.0.1")]
#[case(&["--provider", "process"], "--provider process isolates nobody")]
#[case(&["--provider", "sim"], "--provider sim only plays VMs")]
#[case(&["--dev", "--provider", "sim", "--vm-extra-host", "a.test:127.0.0.1"], "with Docker only")]
#[case(&["--dev", "--agent-binary", "/bin/true"], "--provider process only")]
#[case(&["--dev", "--listen", "192.168.0.7:3000"], "loopback")]
fn settings_that_do_not_go_together_are_refused(#[case] args: &[&str], #[case] word: &str) {
    let error = parse(args).unwrap().check().unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}

#[test]
fn development_on_loopback_is_allowed() {
    parse(&["--dev", "--listen", "[::1]:0"])
        .unwrap()
        .check()
        .unwrap();
}

#[test]
fn the_database_is_a_file_unless_a_url_is_given_and_nothing_shows_the_url() {
    let url = "postgres://u:hushhush@h/db";
    let sqlite = |config: &Config| matches!(config.database().unwrap(), Address::Sqlite(_));
    let plain = || parse(&["--dev", "--data-dir", "/d"]).unwrap();
    assert!(sqlite(&plain()));
    assert!(sqlite(&plain().or_database(Some(String::new()))));
    assert!(!sqlite(&plain().or_database(Some(url.into()))));
    let given = parse(&["--dev", "--database-url", url]).unwrap();
    let given = given.or_database(Some("mysql://other".into()));
    given.check().unwrap();
    assert!(!format!("{given:?}").contains("hushhush"));

    let wrong = parse(&["--dev", "--database-url", "u:hushhush@h"]).unwrap();
    let error = wrong.check().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hushhush"));
}
