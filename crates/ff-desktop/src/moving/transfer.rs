//! The parts of a bundle on their way: a cut costs only what was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ff_client::ClientError;
use ff_protocol::handoff::{Manifest, Offered, Part};
use futures_util::{StreamExt, TryStreamExt};
use tokio::io::{AsyncSeekExt, SeekFrom};
use tokio_util::io::{ReaderStream, StreamReader};

use super::Move;
use crate::progress::{Step, bytes, seconds};

/// Longest time without a byte before the rest is left for later.
const STALLED: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks at how far it is.
const SHOWN: Duration = Duration::from_millis(200);
/// Bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// Sends what the VM has not got of the bundle.
///
/// # Errors
/// The VM refuses it, or nothing has come through for two minutes.
pub async fn upload(moving: &Move<'_>, manifest: &Manifest) -> anyhow::Result<()> {
    let id = &manifest.handoff_id;
    let step = moving.context.progress.step("send");
    let meter = Meter::new(&step, manifest);
    persist(&meter, async || {
        let offered = moving.client().offer(id, manifest).await?;
        meter.begin(manifest, &offered);
        for (part, offset) in missing(manifest, &offered) {
            let path = moving.core.handoff_part(id, &part.sha256).await?;
            let mut file = tokio::fs::File::open(&path).await?;
            file.seek(SeekFrom::Start(offset)).await?;
            let count = meter.count();
            let pieces = ReaderStream::with_capacity(file, PIECE)
                .inspect_ok(move |piece| count(piece.len()))
                .map(|piece| piece.map_err(Into::into));
            let range = (offset, part.size - offset);
            let putting = moving
                .client()
                .put_part(id, &part.sha256, range, Box::pin(pieces));
            meter.showing(putting).await?;
        }
        Ok(())
    })
    .await?;
    let told = meter.told();
    step.done_with(told);
    Ok(())
}

/// Fetches what this machine has not got of the bundle.
///
/// # Errors
/// It is refused here, or nothing has come through for two minutes.
pub async fn download(moving: &Move<'_>, manifest: &Manifest) -> anyhow::Result<()> {
    let id = &manifest.handoff_id;
    let step = moving.context.progress.step("fetch");
    let meter = Meter::new(&step, manifest);
    persist(&meter, async || {
        let offered = moving.core.handoff_offer(id, manifest).await?;
        meter.begin(manifest, &offered);
        for (part, offset) in missing(manifest, &offered) {
            let pieces = moving.client().get_part(id, &part.sha256, offset).await?;
            let count = meter.count();
            let pieces = pieces
                .inspect_ok(move |piece| count(piece.len()))
                .map_err(std::io::Error::other);
            let taking =
                moving
                    .core
                    .handoff_put_part_from(id, part, offset, StreamReader::new(pieces));
            meter.showing(taking).await?;
        }
        Ok(())
    })
    .await?;
    let told = meter.told();
    step.done_with(told);
    Ok(())
}

/// Parts of which something is missing, each with what has arrived of it. One without content
/// cannot be told from one that never came.
fn missing<'a>(manifest: &'a Manifest, offered: &Offered) -> Vec<(&'a Part, u64)> {
    let with_offset = manifest.parts.iter().map(|part| (part, offered.of(part)));
    with_offset
        .filter(|(part, offset)| part.size == 0 || *offset < part.size)
        .collect()
}

/// Tries until it is done, as long as something comes through.
async fn persist(
    meter: &Meter<'_>,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut pause, mut moved_at) = (FIRST_PAUSE, Instant::now());
    loop {
        let before = meter.passed();
        let Err(error) = attempt().await else {
            return Ok(());
        };
        if !may_pass(&error) {
            return Err(error);
        }
        if meter.passed() > before {
            (pause, moved_at) = (FIRST_PAUSE, Instant::now());
        }
        if moved_at.elapsed() > STALLED {
            return Err(error.context(format!("nothing came through for {}", seconds(STALLED))));
        }
        tracing::debug!(?error, "the transfer was cut");
        meter.step.update("cut, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether a transfer that failed so may succeed a little later: a way that broke, on either side.
pub fn may_pass(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let inner = cause.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        let client = cause
            .downcast_ref::<ClientError>()
            .or_else(|| inner?.downcast_ref::<ClientError>());
        client.is_some_and(ClientError::is_transient)
    })
}

/// What has passed of a bundle, for people.
struct Meter<'a> {
    step: &'a Step,
    total: u64,
    passed: Arc<AtomicU64>,
    /// What had arrived when it was begun last, less what had passed by then.
    before: AtomicU64,
    began: Instant,
}

impl<'a> Meter<'a> {
    fn new(step: &'a Step, manifest: &Manifest) -> Self {
        Self {
            step,
            total: manifest.parts.iter().map(|part| part.size).sum(),
            passed: Arc::default(),
            before: AtomicU64::default(),
            began: Instant::now(),
        }
    }

    /// Takes note of what has arrived.
    fn begin(&self, manifest: &Manifest, offered: &Offered) {
        let arrived: u64 = manifest.parts.iter().map(|part| offered.of(part)).sum();
        let passed = self.passed.load(Relaxed);
        self.before.store(arrived.saturating_sub(passed), Relaxed);
    }

    /// Bytes that have passed in this process.
    fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    fn count(&self) -> impl Fn(usize) + Send + use<> {
        let passed = Arc::clone(&self.passed);
        move |bytes| {
            passed.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// Waits, and shows meanwhile how far it is.
    async fn showing<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut tick = tokio::time::interval(SHOWN);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = tick.tick() => self.step.update(self.text()),
            }
        }
    }

    fn text(&self) -> String {
        let (passed, time) = (self.passed(), self.began.elapsed());
        let there = (self.before.load(Relaxed) + passed).min(self.total);
        let far = format!("{} of {}", bytes(there), bytes(self.total));
        let rate = passed as f64 / time.as_secs_f64().max(0.001);
        if passed == 0 {
            return far;
        }
        let left = (self.total - there) as f64 / rate;
        let left = seconds(Duration::from_secs_f64(left.min(1e6)));
        format!("{far}, {}/s, {left} left", bytes(rate as u64))
    }

    /// What passed in the end.
    fn told(&self) -> String {
        let rate = self.passed() as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let all = bytes(self.total);
        match self.before.load(Relaxed) {
            0 => format!("{all}, {}/s", bytes(rate as u64)),
            before => format!(
                "{all}, of which {} was there, {}/s",
                bytes(before),
                bytes(rate as u64)
            ),
        }
    }
}
