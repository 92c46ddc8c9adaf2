//! Names of files: any bytes.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as git and the file system have them: a path, a message, a file of git's own. In JSON
/// every byte that is not printable ASCII, and `%`, is `%XX`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) Vec<u8>);

impl Name {
    /// As a path.
    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.0).escape_debug().to_string()
    }

    /// The directories it lies in, the top one first.
    pub(crate) fn parents(&self) -> impl Iterator<Item = Name> {
        let slashes = self.0.iter().enumerate().filter(|(_, b)| **b == b'/');
        slashes.map(|(at, _)| Name(self.0[..at].to_vec()))
    }

    /// Whether it is a path below the directory it is joined to, and nothing of git's own:
    /// no `..`, no empty or absolute part, no `.git` in a form that some system reads as such.
    pub(crate) fn is_inside(&self) -> bool {
        let proper = |part: &[u8]| {
            let text = String::from_utf8_lossy(part).to_lowercase();
            // HFS+ passes over these, NTFS over dots and spaces at the end.
            let plain: String = text.chars().filter(|c| !is_ignorable(*c)).collect();
            let plain = plain.trim_end_matches(['.', ' ']);
            !matches!(part, b"" | b"." | b"..") && !matches!(plain, ".git" | "git~1")
        };
        !self.0.contains(&0) && self.0.split(|b| *b == b'/').all(proper)
    }
}

fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len());
        for byte in &self.0 {
            match byte {
                b' '..=b'~' if *byte != b'%' => text.push(char::from(*byte)),
                // Writing to a string does not fail.
                _ => drop(write!(text, "%{byte:02X}")),
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(byte.ok_or_else(|| D::Error::custom("a `%` without two hex digits"))?);
            rest = &rest[2..];
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_go_through_json() {
        let all = Name((1..=255).collect());
        let json = serde_json::to_string(&all).unwrap();
        assert!(json.is_ascii());
        assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), all);
        for bad in ["\"%\"", "\"%4\"", "\"%zz\""] {
            assert!(serde_json::from_str::<Name>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_that_leaves_its_place_or_enters_git_s_is_none() {
        for bad in [
            "",
            "/x",
            "x/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "./a",
            ".git",
            "a/.GIT/hooks/x",
            ".git ",
            ".git.",
            "GIT~1/config",
            ".g\u{200c}it",
            "a\0b",
        ] {
            assert!(!Name(bad.as_bytes().to_vec()).is_inside(), "{bad:?}");
        }
        for good in [
            "a",
            "a/b",
            ".gitignore",
            "...",
            "a b",
            "é",
            ".github/x",
            "-x",
            "\n",
        ] {
            assert!(Name(good.as_bytes().to_vec()).is_inside(), "{good:?}");
        }
    }
}
