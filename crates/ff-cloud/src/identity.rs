//! What makes this server itself: its instance id, its master key, its hold on the data directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ff_protocol::{ErrorCode, VmId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::agent::AgentToken;
use crate::{Error, Result};

const KEY_LEN: usize = 32;
const KEY_FILE: &str = "master.key";
const LOCK_FILE: &str = "lock";
const ID_FILE: &str = "instance-id";
const HMAC_BLOCK: usize = 64;

/// The server's identity; clones share it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    instance_id: String,
    master: [u8; KEY_LEN],
    /// Locked while the server lives; none for who only looks.
    _lock: Option<File>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("instance_id", &self.0.instance_id)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the identity from the data directory. At the first start it makes the directory
    /// (0700), the key (0600) and the id.
    ///
    /// # Errors
    /// The directory cannot be written, another server uses it, or a file in it is damaged.
    pub fn open(data_dir: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|source| unusable(data_dir, &source))?;
        let lock = lock(data_dir)?;
        let key_file = data_dir.join(KEY_FILE);
        let master = read_or_make(&key_file, || {
            let mut key = vec![0; KEY_LEN];
            getrandom::fill(&mut key).map_err(std::io::Error::other)?;
            Ok(key)
        })?;
        let id_file = data_dir.join(ID_FILE);
        let id = read_or_make(&id_file, || {
            Ok(uuid::Uuid::now_v7().to_string().into_bytes())
        })?;
        Self::of(data_dir, master, id, Some(lock))
    }

    /// Whether a server uses this data directory. Only looks.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn is_used(data_dir: &Path) -> Result<bool> {
        let file = match File::open(data_dir.join(LOCK_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(unusable(data_dir, &source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(std::fs::TryLockError::WouldBlock) => Ok(true),
            Err(std::fs::TryLockError::Error(source)) => Err(unusable(data_dir, &source)),
        }
    }

    /// Reads the identity of a server that may run at the same time: makes and locks nothing.
    ///
    /// # Errors
    /// No server has ever run on this directory, or a file in it cannot be read or is damaged.
    pub fn peek(data_dir: &Path) -> Result<Self> {
        let read = |name: &str| {
            std::fs::read(data_dir.join(name)).map_err(|source| {
                let directory = data_dir.display();
                Error::refused(
                    ErrorCode::Invalid,
                    format!("no server has its data in {directory}: {name}: {source}"),
                )
                .hint("name the directory of a server with --data-dir")
            })
        };
        Self::of(data_dir, read(KEY_FILE)?, read(ID_FILE)?, None)
    }

    fn of(data_dir: &Path, master: Vec<u8>, id: Vec<u8>, lock: Option<File>) -> Result<Self> {
        let (key_file, id_file) = (data_dir.join(KEY_FILE), data_dir.join(ID_FILE));
        let master = master.try_into().map_err(|_| damaged(&key_file))?;
        let instance_id = String::from_utf8(id)
            .ok()
            .map(|id| id.trim().to_owned())
            .filter(|id| uuid::Uuid::parse_str(id).is_ok())
            .ok_or_else(|| damaged(&id_file))?;
        Ok(Self(Arc::new(Inner {
            instance_id,
            master,
            _lock: lock,
        })))
    }

    /// Id that labels this server's containers and volumes.
    pub fn instance_id(&self) -> &str {
        &self.0.instance_id
    }

    /// The token of a VM's agent: nothing of it is stored.
    pub fn agent_token(&self, vm: &VmId, generation: u64) -> AgentToken {
        // HMAC fills a short key with zeros to the length of a block.
        let mut block = [0; HMAC_BLOCK];
        block[..KEY_LEN].copy_from_slice(&self.0.master);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(format!("agent-token\n{vm}\n{generation}").as_bytes());
        AgentToken::new(format!("ffa_{}", hex::encode(mac.finalize().into_bytes())))
    }
}

fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| unusable(data_dir, &source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::refused(
            ErrorCode::Conflict,
            format!(
                "another server uses the data directory {}",
                data_dir.display()
            ),
        )
        .hint("stop it, or name another directory with --data-dir")),
        Err(std::fs::TryLockError::Error(source)) => Err(unusable(data_dir, &source)),
    }
}

fn read_or_make(path: &Path, make: impl FnOnce() -> std::io::Result<Vec<u8>>) -> Result<Vec<u8>> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    match File::open(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(io)?;
            Ok(bytes)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes = make().map_err(io)?;
            write_whole(path, &bytes).map_err(io)?;
            Ok(bytes)
        }
        Err(error) => Err(io(error)),
    }
}

/// Writes a file under another name first, so that a crash leaves all of it or nothing.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn unusable(data_dir: &Path, source: &std::io::Error) -> Error {
    Error::refused(
        ErrorCode::Invalid,
        format!(
            "the data directory {} cannot be used: {source}",
            data_dir.display()
        ),
    )
    .hint("name a directory you may write with --data-dir")
}

fn damaged(path: &Path) -> Error {
    Error::refused(ErrorCode::Invalid, format!("{} is damaged", path.display()))
        .hint("restore it from a backup; without the same key running VMs must be restarted")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn survives_a_restart_and_keeps_its_files_private() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let vm = VmId::generate();
        let first = Identity::open(&data).unwrap();
        let (id, token) = (first.instance_id().to_owned(), first.agent_token(&vm, 1));
        drop(first);
        let second = Identity::open(&data).unwrap();
        assert_eq!(second.instance_id(), id);
        assert_eq!(second.agent_token(&vm, 1), token);
        let mode = |name: &str| {
            let path = data.join(name);
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("master.key")), (0o700, 0o600));
    }

    #[test]
    fn token_differs_by_vm_and_generation() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(dir.path()).unwrap();
        let (a, b) = (VmId::generate(), VmId::generate());
        let token = identity.agent_token(&a, 1);
        assert!(token.expose().starts_with("ffa_"));
        assert_eq!(token.expose().len(), 4 + 64);
        assert_ne!(token, identity.agent_token(&a, 2));
        assert_ne!(token, identity.agent_token(&b, 1));
    }

    #[test]
    fn second_server_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Identity::open(dir.path()).unwrap();
        let error = Identity::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("another server"), "{error}");
    }

    #[test]
    fn who_only_looks_sees_the_same_locks_nothing_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Identity::peek(dir.path()).is_err());
        assert!(!Identity::is_used(dir.path()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let server = Identity::open(dir.path()).unwrap();
        let looks = Identity::peek(dir.path()).unwrap();
        assert_eq!(looks.instance_id(), server.instance_id());
        assert!(Identity::is_used(dir.path()).unwrap());
        drop(server);
        assert!(!Identity::is_used(dir.path()).unwrap());
        Identity::open(dir.path()).unwrap();
    }

    #[test]
    fn damaged_key_is_refused_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("master.key"), b"short").unwrap();
        let error = Identity::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
        assert_eq!(
            std::fs::read(dir.path().join("master.key")).unwrap(),
            b"short"
        );
    }
}
