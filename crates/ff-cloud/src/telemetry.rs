//! The log.
//!
//! Every request has a span with its `request_id`; work on a VM has its `vm`. Tokens, bodies and
//! terminal bytes are never logged. `RUST_LOG` chooses what is shown.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use ff_protocol::VmId;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::error::{Error, chain};

tokio::task_local! {
    static VM_NOTED: Cell<bool>;
}

/// Runs the work of one request, whose span has an empty field `vm`.
pub async fn of_request<T>(work: impl Future<Output = T>) -> T {
    VM_NOTED.scope(Cell::new(false), work).await
}

/// Puts the VM that a request is about into its span, the first time it is named.
pub fn note_vm(id: &VmId) {
    if VM_NOTED.try_with(|noted| noted.replace(true)) == Ok(false) {
        tracing::Span::current().record("vm", id.as_str());
    }
}

/// Sends the log to standard error in the given shape.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sea_orm_migration=warn,sqlx=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // A line that cannot be written, as on a full disk, would end what wrote it.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// Says on standard error why the program ends.
pub fn complain(error: &Error) {
    let _ = writeln!(std::io::stderr(), "ff-cloud: {}", chain(error));
}
