//! `ff completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output::write_out;

/// Prints the completions of a shell.
pub fn run(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ff", &mut script);
    write_out(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_of_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ff", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in [
                "workspace",
                "archive",
                "remove-git-index-lock",
                "completions",
            ] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
