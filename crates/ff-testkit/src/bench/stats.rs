//! What a row of the table says about its samples. Pure.

use serde::Serialize;

/// Samples from which a 99th percentile says something.
pub const FOR_P99: usize = 1000;

/// Samples in short, in the unit they were taken in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many samples.
    pub n: usize,
    /// Half of them are at most this.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this; absent below [`FOR_P99`] samples.
    pub p99: Option<f64>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Sums samples up; `None` when there are none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        Some(Self {
            n: sorted.len(),
            p50: nearest_rank(&sorted, 50)?,
            p90: nearest_rank(&sorted, 90)?,
            p99: nearest_rank(&sorted, 99).filter(|_| sorted.len() >= FOR_P99),
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

/// How a measurement compares with its reference, over pairs taken one after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// How many pairs.
    pub pairs: usize,
    /// The median of the pairs' ratios.
    pub median: f64,
    /// A quarter of the pairs are at most this.
    pub p25: f64,
    /// Three quarters of the pairs are at most this.
    pub p75: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Ratio {
    /// Compares each sample with the reference of the same pair; `None` when there are no pairs.
    /// A reference that took no time has no ratio and is left out.
    pub fn of(ours: &[f64], reference: &[f64]) -> Option<Self> {
        let pairs = ours.iter().zip(reference).filter(|(_, r)| **r > 0.0);
        let ratios = sorted(&pairs.map(|(ours, r)| ours / r).collect::<Vec<_>>());
        Some(Self {
            pairs: ratios.len(),
            median: median(&ratios)?,
            p25: nearest_rank(&ratios, 25)?,
            p75: nearest_rank(&ratios, 75)?,
            min: *ratios.first()?,
            max: *ratios.last()?,
        })
    }
}

/// In ascending order.
fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The percentile by nearest rank: the smallest sample that `percent` of 100 samples do not
/// exceed. Always a sample that was taken, never one between two.
fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The middle sample, or the mean of the middle two.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(*sorted.get(middle - 1)?, upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(n: u32) -> Vec<f64> {
        (1..=n).rev().map(f64::from).collect()
    }

    #[test]
    fn a_percentile_is_the_sample_of_the_nearest_rank() {
        let five = [15.0, 20.0, 35.0, 40.0, 50.0];
        let of = |percent| nearest_rank(&five, percent);
        assert_eq!(of(5), Some(15.0));
        assert_eq!(of(30), Some(20.0));
        assert_eq!(of(40), Some(20.0));
        assert_eq!(of(50), Some(35.0));
        assert_eq!(of(100), Some(50.0));
        assert_eq!(nearest_rank(&[], 50), None);
    }

    #[test]
    fn a_summary_sorts_its_samples_itself() {
        let summary = Summary::of(&up_to(100)).unwrap();
        assert_eq!((summary.n, summary.min, summary.max), (100, 1.0, 100.0));
        assert_eq!((summary.p50, summary.p90), (50.0, 90.0));
        assert_eq!(Summary::of(&[]), None);
        let one = Summary::of(&[7.0]).unwrap();
        assert_eq!((one.p50, one.p90, one.min, one.max), (7.0, 7.0, 7.0, 7.0));
    }

    #[test]
    fn a_99th_percentile_needs_a_thousand_samples() {
        assert_eq!(Summary::of(&up_to(999)).unwrap().p99, None);
        assert_eq!(Summary::of(&up_to(1000)).unwrap().p99, Some(990.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[1.0, 2.0, 4.0]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 8.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_ratio_compares_within_pairs() {
        // As wholes both sides look alike; pair by pair they do not.
        let ratio = Ratio::of(&[1.0, 2.0, 3.0, 4.0], &[4.0, 2.0, 1.0, 2.0]).unwrap();
        assert_eq!(ratio.pairs, 4);
        assert_eq!((ratio.min, ratio.max), (0.25, 3.0));
        assert_eq!((ratio.p25, ratio.median, ratio.p75), (0.25, 1.5, 2.0));
    }

    #[test]
    fn a_reference_without_duration_is_left_out() {
        assert_eq!(Ratio::of(&[1.0], &[0.0]), None);
        assert_eq!(Ratio::of(&[1.0, 3.0], &[0.0, 2.0]).unwrap().median, 1.5);
    }
}
