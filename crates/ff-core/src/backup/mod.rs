//! The way in from the original application, and back: its backup (version 4) and its database.
//!
//! | module | |
//! |---|---|
//! | `format`, `settings`, `time` | the backup's fields |
//! | `read`, `check` | a file is read and what it says is checked |
//! | `database` | the database is copied and read as if it were a backup |
//! | `paths`, `convert`, `transcript` | records as ours, with what this machine has |
//! | `import`, `report` | they are merged with what is here |
//! | `export` | all of it as a backup |
//!
//! Nothing secret is taken over: keys of issue trackers and of the voice service stay where they are.

mod check;
mod convert;
mod database;
mod export;
pub mod format;
mod import;
mod paths;
mod read;
pub mod report;
mod settings;
mod time;
mod transcript;

pub use read::LARGEST;
pub use time::Time;
