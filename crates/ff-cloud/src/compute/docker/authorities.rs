//! The operator's certificate authorities (`--vm-extra-ca`): appended to the image's own bundle,
//! which git, gh, curl, Node.js and the Claude CLI all read.

use std::path::{Path, PathBuf};

use super::archive::{self, DownloadError, FileEntry};
use super::engine::{Engine, is_status};
use crate::compute::ComputeError;

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const BUNDLE_LIMIT: usize = 8 << 20;
const FILE_LIMIT: usize = 1 << 20;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Reads the operator's files into one PEM text.
///
/// # Errors
/// A sentence that names the file and what is wrong with it.
pub fn read(files: &[PathBuf]) -> Result<String, ComputeError> {
    let mut all = String::new();
    for file in files {
        let wrong = |what: String| {
            ComputeError::Setting(format!("--vm-extra-ca {}: {what}", file.display()))
        };
        let pem = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        if !pem.contains(BEGIN) || pem.len() > FILE_LIMIT {
            return Err(wrong("it holds no PEM certificate".to_owned()));
        }
        if pem.contains("PRIVATE KEY-----") {
            return Err(wrong(
                "it holds a private key; give the certificate alone".to_owned(),
            ));
        }
        all.push_str(pem.trim());
        all.push('\n');
    }
    Ok(all)
}

/// Appends `authorities` to the bundle in a container that has not run yet.
pub async fn add(engine: &Engine, container: &str, authorities: &str) -> Result<(), ComputeError> {
    let mut bundle = match archive::download(engine, container, BUNDLE, BUNDLE_LIMIT).await {
        Ok(bundle) => bundle,
        Err(DownloadError::Call(error)) if is_status(&error, super::MISSING) => Vec::new(),
        Err(DownloadError::Call(error)) => return Err(error.into()),
        Err(DownloadError::Unpack(error)) => {
            return Err(ComputeError::Failed {
                provider: super::PROVIDER,
                action: "read the image's certificate authorities",
                message: error.to_string(),
            });
        }
    };
    if bundle.last().is_some_and(|last| *last != b'\n') {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(authorities.as_bytes());
    let file = FileEntry {
        path: Path::new(BUNDLE),
        uid: 0,
        mode: 0o644,
        content: &bundle,
    };
    archive::upload(engine, container, file).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";

    #[test]
    fn files_become_one_text() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["a.pem", "b.pem"].map(|name| dir.path().join(name)).into();
        for file in &files {
            std::fs::write(file, PEM).unwrap();
        }
        assert_eq!(read(&files).unwrap(), format!("{PEM}\n{PEM}\n"));
        assert_eq!(read(&[]).unwrap(), "");
    }

    #[test]
    fn what_is_no_certificate_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.pem");
        let missing = read(std::slice::from_ref(&file)).unwrap_err().to_string();
        assert!(missing.contains("x.pem"), "{missing}");
        std::fs::write(&file, format!("{PEM}\n-----BEGIN PRIVATE KEY-----")).unwrap();
        let key = read(std::slice::from_ref(&file)).unwrap_err().to_string();
        assert!(key.contains("private key"), "{key}");
    }
}
