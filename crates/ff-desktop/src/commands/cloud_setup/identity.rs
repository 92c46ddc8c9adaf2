//! Who commits in the VM. Pure.

use ff_protocol::vm::GitIdentity;

/// As people write it.
pub fn written(identity: &GitIdentity) -> String {
    format!("{} <{}>", identity.name, identity.email)
}

/// Reads `NAME <EMAIL>`.
pub fn read(text: &str) -> Option<GitIdentity> {
    let (name, rest) = text.trim().split_once('<')?;
    let email = rest.strip_suffix('>')?;
    let (name, email) = (name.trim(), email.trim());
    let whole = !name.is_empty() && !email.is_empty() && !email.contains(['<', '>']);
    whole.then(|| GitIdentity {
        name: name.to_owned(),
        email: email.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let identity = read(" Zoë van A <zoe@example.test> ").unwrap();
        assert_eq!(written(&identity), "Zoë van A <zoe@example.test>");
        assert_eq!(read(&written(&identity)), Some(identity));
        for text in [
            "",
            "zoe",
            "<zoe@example.test>",
            "Zoë <>",
            "Zoë <a> <b>",
            "Zoë a@b",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
