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
        "ff session start w",
        "ff session start w --prompt x --follow --detach",
        "ff session answer w s r",
        "ff session answer w s r --allow --deny",
        "ff session answer w s r --allow --message no",
        "ff chat",
        "ff chat w --session s --new",
        "ff chat w --allow --deny",
        "ff serve --port 70000",
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
        "ff workspace new x -p app -b main",
        "ff cloud connect http://localhost:3000 --user me",
        "ff session start w --prompt x --name n --model m --permissions strict --follow",
        "ff session send w s --prompt - --detach",
        "ff session answer w s r --allow --choose Which?=red --choose Why?=so",
        "ff session answer w s r --deny --message no",
        "ff chat w",
        "ff chat w --new --model m --permissions strict --deny",
        "ff chat w --session s --allow --json",
        "ff serve --port 4242",
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
