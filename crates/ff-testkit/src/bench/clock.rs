//! The clock, and whose turn it is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Milliseconds of wall clock, with what the work left behind.
///
/// # Errors
/// The work fails.
pub async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(f64, T)> {
    let begun = Instant::now();
    let done = work.await?;
    Ok((millis(begun.elapsed()), done))
}

/// A time in milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Takes one pair. In every second one the reference goes first, so that neither side always has
/// the machine as the other left it.
///
/// # Errors
/// One side fails.
pub async fn pair(
    number: usize,
    ours: impl AsyncFnOnce() -> Result<()>,
    reference: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    if number.is_multiple_of(2) {
        ours().await?;
        reference().await
    } else {
        reference().await?;
        ours().await
    }
}

/// Asks again and again until the answer is yes.
///
/// # Errors
/// Asking fails, or the time is over.
pub async fn until(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    while !ask().await? {
        ensure!(
            begun.elapsed() < within,
            "waited {} s in vain: {what}",
            within.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
