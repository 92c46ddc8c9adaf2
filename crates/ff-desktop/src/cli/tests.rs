use clap::{CommandFactory, Parser};

use super::Cli;

#[test]
fn definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn contradictions_are_usage_errors() {
    for line in [
        "ff terminal",
        "ff terminal w --vm",
        "ff terminal --vm --read-only",
        "ff terminal --vm --detach-key ctrl-m",
        "ff terminal list w --vm",
        "ff terminal close --name x",
        "ff terminal close --vm",
        "ff terminal rename --vm --name x",
        "ff cloud setup --git-name me",
        "ff cloud setup --git-name me --git-email nobody",
        "ff session start w",
        "ff session start w --prompt x --follow --detach",
        "ff session answer w s r",
        "ff session answer w s r --allow --deny",
        "ff session answer w s r --allow --message no",
        "ff session answer w s r --deny --other Which?=green",
        "ff session configure w s",
        "ff session configure w s --mode fast",
        "ff session fork w",
        "ff session resume w s --follow --detach",
        "ff chat",
        "ff chat w --session s --new",
        "ff chat w --allow --deny",
        "ff serve --port 70000",
        "ff workspace new",
        "ff workspace new --branch b --from c",
        "ff workspace new --branch b --issue https://github.com/o/r/issues/1",
        "ff project add . --startup-command x --startup-script y",
        "ff project set p --no-startup --startup-command x",
        "ff project add . --startup-timeout 0",
        "ff workspace rename w",
        "ff workspace run w",
        "ff completions tcsh",
        "ff import",
        "ff import f --from-database d",
        "ff export --force",
        "ff serve --pr-interval 0",
        "ff pr",
        "ff pr attach w",
        "ff ratchet w",
    ] {
        assert!(
            Cli::try_parse_from(line.split(' ')).is_err(),
            "`{line}` was accepted"
        );
    }
}

#[test]
fn every_sensible_combination_is_understood() {
    for line in [
        "ff terminal --vm --name x",
        "ff terminal w",
        "ff terminal w --name x",
        "ff terminal --vm --name x --read-only --detach-key ctrl-b",
        "ff terminal list",
        "ff terminal list w",
        "ff terminal list --vm",
        "ff terminal close w --name x",
        "ff terminal rename --vm --name x --to y",
        "ff cloud setup",
        "ff cloud setup --git-name me --git-email me@example.test --detach-key none",
        "ff workspace new x -p app -b main",
        "ff cloud connect http://localhost:3000 --user me",
        "ff session start w --prompt x --name n --model m --permissions strict --follow",
        "ff session send w s --prompt - --detach",
        "ff session answer w s r --allow --choose Which?=red --choose Why?=so",
        "ff session answer w s r --deny --message no",
        "ff session answer w s r --allow --other Which?=green",
        "ff session fork w s --name n",
        "ff session fork w s --prompt x --model m --detach",
        "ff session resume w s",
        "ff session close w s --json",
        "ff session configure w s --model m --mode acceptEdits --thinking 0",
        "ff session configure w s --name n --permissions yolo --mode dont-ask",
        "ff chat w",
        "ff chat w --new --model m --permissions strict --deny",
        "ff chat w --session s --allow --json",
        "ff serve --port 4242",
        "ff workspace new --branch topic",
        "ff workspace new --issue https://github.com/o/r/issues/1 --cloud --detach",
        "ff workspace new x --from release --prompt -",
        "ff workspace archive w --remove-git-index-lock",
        "ff workspace delete w --yes",
        "ff workspace delete w --forget",
        "ff workspace retry w --detach",
        "ff workspace rename w other",
        "ff workspace run start w",
        "ff workspace run logs w --json",
        "ff project add . --startup-script setup.sh --startup-timeout 60",
        "ff project set p --no-startup",
        "ff completions zsh",
        "ff import f.json",
        "ff import --from-database d.db --json",
        "ff export",
        "ff export f.json --force",
        "ff pr sync w",
        "ff pr show w --json",
        "ff pr attach w 7",
        "ff pr attach w https://github.com/octo/demo/pull/7",
        "ff ratchet on w",
        "ff ratchet off w --json",
    ] {
        let parsed = Cli::try_parse_from(line.split(' '));
        assert!(parsed.is_ok(), "`{line}`: {}", parsed.unwrap_err());
    }
}

#[test]
fn json_stands_anywhere() {
    for line in ["ff --json workspace list", "ff workspace list --json"] {
        assert!(Cli::try_parse_from(line.split(' ')).unwrap().json);
    }
}
