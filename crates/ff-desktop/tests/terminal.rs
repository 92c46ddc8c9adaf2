//! `ff terminal` in a workspace of this machine, driven by a pipe as scripts do it.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Desktop, Run};

fn typed(desktop: &Desktop, input: &str) -> Run {
    let mut command = desktop.command(&["terminal", "demo"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn what_is_piped_in_is_typed_and_the_shells_exit_code_is_ours() {
    let desktop = Desktop::with_workspace();
    let run = typed(&desktop, "echo $((40 + 2)) in $PWD; exit 7\n");
    assert_eq!(run.code, 7, "{} {}", run.stdout, run.stderr);
    let worktree = desktop.worktree("demo");
    let name = worktree.file_name().unwrap().to_str().unwrap();
    assert!(run.stdout.contains("42 in "), "{}", run.stdout);
    assert!(run.stdout.contains(name), "{}", run.stdout);
}

#[test]
fn end_of_the_pipe_ends_the_shell_even_behind_a_program() {
    let desktop = Desktop::with_workspace();
    let run = typed(&desktop, "cat > typed.txt\nline\n");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let typed = std::fs::read_to_string(desktop.worktree("demo").join("typed.txt")).unwrap();
    assert_eq!(typed, "line\n");
}
