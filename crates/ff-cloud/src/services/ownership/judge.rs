//! What a claim means beside a row. Pure.

use ff_protocol::workspace::Owner;

/// What is to be done about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: both say the same.
    Agreed,
    /// Whoever claims is told: the row is newer.
    Tell,
    /// The row follows: it is older, so the database was restored from before.
    Adopt,
    /// Nobody owns it until a person decides: two owners at one epoch.
    Contest,
}

/// Judges a claim by owner and epoch beside those of the row.
pub(super) fn judge(row: (&Owner, u64), claim: (&Owner, u64)) -> Verdict {
    match claim.1.cmp(&row.1) {
        std::cmp::Ordering::Less => Verdict::Tell,
        std::cmp::Ordering::Greater => Verdict::Adopt,
        std::cmp::Ordering::Equal if row.0 == claim.0 => Verdict::Agreed,
        // Who has not heard yet that it is contested hears it now.
        std::cmp::Ordering::Equal if *row.0 == Owner::Contested => Verdict::Tell,
        std::cmp::Ordering::Equal => Verdict::Contest,
    }
}

#[cfg(test)]
mod tests {
    use ff_protocol::DesktopId;

    use super::*;

    #[test]
    fn the_higher_epoch_wins_and_equal_ones_must_agree() {
        let desktop = Owner::Desktop(DesktopId::generate());
        let (cloud, contested) = (Owner::Cloud, Owner::Contested);
        for (row, claim, verdict) in [
            ((&cloud, 3), (&cloud, 3), Verdict::Agreed),
            ((&cloud, 3), (&desktop, 2), Verdict::Tell),
            ((&cloud, 3), (&cloud, 2), Verdict::Tell),
            ((&cloud, 3), (&desktop, 4), Verdict::Adopt),
            ((&cloud, 3), (&desktop, 3), Verdict::Contest),
            ((&cloud, 3), (&contested, 3), Verdict::Contest),
            ((&contested, 3), (&desktop, 3), Verdict::Tell),
            ((&contested, 3), (&contested, 3), Verdict::Agreed),
            ((&contested, 3), (&desktop, 4), Verdict::Adopt),
        ] {
            assert_eq!(judge(row, claim), verdict, "{row:?} {claim:?}");
        }
    }
}
