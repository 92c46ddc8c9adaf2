//! What reviewers said, as far as the ratchet acts on it. Ordinary comments of the conversation
//! never count.

use ff_protocol::Timestamp;

/// A review of the pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Login of its author.
    pub author: String,
    /// `CHANGES_REQUESTED`, `COMMENTED`, `APPROVED`, …
    pub state: String,
    /// Its text.
    pub body: String,
    /// When it was sent.
    pub submitted_at: Option<Timestamp>,
}

/// A comment on a line of the diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineComment {
    /// Its id.
    pub id: i64,
    /// Login of its author.
    pub author: String,
    /// Its text.
    pub body: String,
    /// File it is about.
    pub path: String,
    /// Line it is about.
    pub line: Option<i64>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether its thread is resolved.
    pub resolved: bool,
}

/// Which reviews start the ratchet: the user's setting `ratchetReviewTriggerMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TriggerMode {
    /// Those that ask for changes.
    #[default]
    ChangesRequested,
    /// Also those that only comment.
    AllReviewFeedback,
}

/// Something a fixer is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Login of its author.
    pub author: &'a str,
    /// Its text.
    pub body: &'a str,
    /// File it is about; none for the review as a whole.
    pub path: Option<&'a str>,
    /// Line it is about.
    pub line: Option<i64>,
}

/// When reviewers were last active: the latest of
///
/// | what | counts when |
/// |---|---|
/// | review `CHANGES_REQUESTED` | its author did not approve later |
/// | review `COMMENTED` with text | the same, with [`TriggerMode::AllReviewFeedback`] |
/// | comment on a line | always, resolved or not |
///
/// and never what `me`, the account of `gh`, wrote. "Later" goes by the time of sending, else by
/// place in the list.
pub fn activity(
    reviews: &[Review],
    comments: &[InlineComment],
    mode: TriggerMode,
    me: Option<&str>,
) -> Option<Timestamp> {
    let reviewed = counting(reviews, mode, me).filter_map(|review| review.submitted_at);
    let commented = comments
        .iter()
        .filter(|comment| Some(comment.author.as_str()) != me)
        .map(|comment| comment.updated_at);
    reviewed.chain(commented).max()
}

/// What a fixer is to answer: the comments on lines that are not resolved, and the texts of the
/// reviews that count for [`activity`]; never what `me` wrote.
pub fn feedback<'a>(
    reviews: &'a [Review],
    comments: &'a [InlineComment],
    mode: TriggerMode,
    me: Option<&'a str>,
) -> Vec<Feedback<'a>> {
    let lines = comments
        .iter()
        .filter(|comment| !comment.resolved && Some(comment.author.as_str()) != me)
        .map(|comment| Feedback {
            author: &comment.author,
            body: &comment.body,
            path: Some(&comment.path),
            line: comment.line,
        });
    let whole = counting(reviews, mode, me)
        .filter(|review| !review.body.trim().is_empty())
        .map(|review| Feedback {
            author: &review.author,
            body: &review.body,
            path: None,
            line: None,
        });
    lines.chain(whole).collect()
}

/// Whether reviewers were active since the ratchet last told a fixer of it.
pub fn is_new(activity: Option<Timestamp>, last_checked_at: Option<Timestamp>) -> bool {
    activity.is_some_and(|at| last_checked_at.is_none_or(|checked| checked < at))
}

fn counting<'a>(
    reviews: &'a [Review],
    mode: TriggerMode,
    me: Option<&'a str>,
) -> impl Iterator<Item = &'a Review> {
    let wanted = move |review: &Review| match review.state.as_str() {
        "CHANGES_REQUESTED" => true,
        "COMMENTED" => mode == TriggerMode::AllReviewFeedback && !review.body.trim().is_empty(),
        _ => false,
    };
    let all = reviews.iter().enumerate();
    all.filter(move |(at, review)| {
        wanted(review)
            && Some(review.author.as_str()) != me
            && !approved_later(reviews, *at, review)
    })
    .map(|(_, review)| review)
}

fn approved_later(reviews: &[Review], at: usize, review: &Review) -> bool {
    reviews.iter().enumerate().any(|(other_at, other)| {
        let later = match (other.submitted_at, review.submitted_at) {
            (Some(other), Some(this)) if other != this => other > this,
            _ => other_at > at,
        };
        other.author == review.author && other.state == "APPROVED" && later
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::TriggerMode::{AllReviewFeedback, ChangesRequested};
    use super::*;

    fn at(minute: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    fn review(author: &str, state: &str, body: &str, minute: Option<i64>) -> Review {
        Review {
            author: author.into(),
            state: state.into(),
            body: body.into(),
            submitted_at: minute.map(at),
        }
    }

    fn comment(author: &str, minute: i64, resolved: bool) -> InlineComment {
        InlineComment {
            id: minute,
            author: author.into(),
            body: "here".into(),
            path: "a.rs".into(),
            line: Some(3),
            updated_at: at(minute),
            resolved,
        }
    }

    #[rstest]
    #[case::asked(&[review("ann", "CHANGES_REQUESTED", "", Some(5))], ChangesRequested, Some(5))]
    #[case::approved_later(&[review("ann", "CHANGES_REQUESTED", "", Some(5)), review("ann", "APPROVED", "", Some(6))], ChangesRequested, None)]
    #[case::approved_before(&[review("ann", "CHANGES_REQUESTED", "", Some(5)), review("ann", "APPROVED", "", Some(4))], ChangesRequested, Some(5))]
    #[case::another_approved(&[review("ann", "CHANGES_REQUESTED", "", Some(5)), review("bob", "APPROVED", "", Some(6))], ChangesRequested, Some(5))]
    #[case::place_counts_without_a_time(&[review("ann", "APPROVED", "", None), review("ann", "CHANGES_REQUESTED", "", Some(5))], ChangesRequested, Some(5))]
    #[case::place_counts_at_the_same_time(&[review("ann", "CHANGES_REQUESTED", "", Some(5)), review("ann", "APPROVED", "", Some(5))], ChangesRequested, None)]
    #[case::a_comment_is_not_asked_for(&[review("ann", "COMMENTED", "look", Some(5))], ChangesRequested, None)]
    #[case::a_comment_is_asked_for(&[review("ann", "COMMENTED", "look", Some(5))], AllReviewFeedback, Some(5))]
    #[case::a_blank_one_never(&[review("ann", "COMMENTED", " \n", Some(5))], AllReviewFeedback, None)]
    #[case::own(&[review("me", "CHANGES_REQUESTED", "x", Some(5))], ChangesRequested, None)]
    #[case::dismissed(&[review("ann", "DISMISSED", "x", Some(5))], AllReviewFeedback, None)]
    fn reviews_count(
        #[case] reviews: &[Review],
        #[case] mode: TriggerMode,
        #[case] expected: Option<i64>,
    ) {
        assert_eq!(activity(reviews, &[], mode, Some("me")), expected.map(at));
    }

    #[test]
    fn a_resolved_comment_is_activity_but_no_feedback() {
        let comments = [
            comment("ann", 3, false),
            comment("bob", 9, true),
            comment("me", 20, false),
        ];
        let reviews = [review("ann", "CHANGES_REQUESTED", "all of it", Some(1))];
        assert_eq!(
            activity(&reviews, &comments, ChangesRequested, Some("me")),
            Some(at(9))
        );
        let feedback = feedback(&reviews, &comments, ChangesRequested, Some("me"));
        let told: Vec<_> = feedback
            .iter()
            .map(|f| (f.author, f.path, f.line, f.body))
            .collect();
        assert_eq!(
            told,
            [
                ("ann", Some("a.rs"), Some(3), "here"),
                ("ann", None, None, "all of it")
            ]
        );
    }

    #[test]
    fn new_is_what_was_after_the_last_look() {
        assert!(!is_new(None, None));
        assert!(is_new(Some(at(2)), None));
        assert!(is_new(Some(at(2)), Some(at(1))));
        assert!(!is_new(Some(at(2)), Some(at(2))));
        assert!(!is_new(Some(at(2)), Some(at(3))));
    }
}
