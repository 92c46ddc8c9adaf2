//! Names of workspaces and of the branches made for them.

use ff_protocol::ErrorCode;

use crate::error::{Error, Result};

/// Characters of a workspace's name.
const LONGEST_NAME: usize = 100;
/// Characters of a branch's name, without what stands before the slash.
const LONGEST_BRANCH: usize = 50;

/// A workspace's name without the blanks around it.
///
/// # Errors
/// `invalid` when it is empty, too long or holds control characters.
pub(crate) fn check(name: &str) -> Result<&str> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    if fits && !name.contains(char::is_control) {
        return Ok(name);
    }
    Err(Error::refused(
        ErrorCode::Invalid,
        "a workspace's name has 1 to 100 characters, none of them a control character",
    ))
}

/// A name made from a text that somebody else wrote, such as the title of an issue.
pub(crate) fn of_text(text: &str, otherwise: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(LONGEST_NAME).collect();
    match name.trim() {
        "" => otherwise.to_owned(),
        name => name.to_owned(),
    }
}

/// A branch's name from a workspace's name: lower case, words joined by `-`, everything else but
/// letters and digits of ASCII dropped, at most 50 characters. Nothing left gives `work-` and six
/// digits.
pub(crate) fn branch(name: &str) -> String {
    let mut branch = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            ' ' | '_' | '-' if !(branch.is_empty() || branch.ends_with('-')) => branch.push('-'),
            c if c.is_ascii_alphanumeric() => branch.push(c),
            _ => {}
        }
    }
    let branch: String = branch.chars().take(LONGEST_BRANCH).collect();
    match branch.trim_end_matches('-') {
        "" => format!("work-{}", random(6)),
        branch => branch.to_owned(),
    }
}

/// So many random hexadecimal digits, at most 32.
pub(crate) fn random(digits: usize) -> String {
    let text = uuid::Uuid::new_v4().simple().to_string();
    text.chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_follow_the_workspace_name() {
        for (name, expected) in [
            ("My first Workspace", "my-first-workspace"),
            ("a__b  c", "a-b-c"),
            ("Fix: #12!", "fix-12"),
            ("-x-", "x"),
            ("../../etc/passwd", "etcpasswd"),
            ("a.lock", "alock"),
            ("@{-1}", "1"),
        ] {
            assert_eq!(branch(name), expected, "{name:?}");
        }
        assert!(branch("日本").starts_with("work-"));
        assert_eq!(branch(&"x".repeat(80)).len(), 50);
        assert_eq!(branch(&format!("{}-y", "x".repeat(49))).len(), 49);
    }

    #[test]
    fn names_of_others_are_made_to_fit() {
        assert_eq!(
            of_text(" Crash\n on\tstart\u{1b}[31m ", "x"),
            "Crash on start [31m"
        );
        assert_eq!(of_text(" \n ", "Issue 7"), "Issue 7");
        assert_eq!(of_text(&"é".repeat(300), "x").chars().count(), 100);
        assert!(check(&of_text(&"a b".repeat(99), "x")).is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert_eq!(check(bad).unwrap_err().code(), ErrorCode::Invalid);
        }
        assert_eq!(check(" a b ").unwrap(), "a b");
    }
}
