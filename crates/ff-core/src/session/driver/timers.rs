//! The deadlines of one process.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// What to do to a process that does not end as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask its group to end.
    Terminate,
    /// Kill its group.
    Kill,
    /// Stop waiting for it.
    GiveUp,
}

/// A deadline that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The CLI did not say that it is ready.
    Ready,
    /// The turn is too long.
    Turn,
    /// The CLI has said nothing for too long.
    Silence,
    /// The CLI did not answer a request of ours.
    Control,
    /// The announced turn did not come.
    FollowUp,
    /// Nothing was done for long.
    Idle,
    /// The process did not end as asked.
    Step(Step),
}

/// Deadlines; each is set or not.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pub(super) ready: Option<Instant>,
    pub(super) turn: Option<Instant>,
    pub(super) silence: Option<Instant>,
    pub(super) control: Option<Instant>,
    pub(super) follow_up: Option<Instant>,
    pub(super) idle: Option<Instant>,
    pub(super) step: Option<(Instant, Step)>,
    lost: Duration,
}

impl Timers {
    /// Those of a process just started, when so much time had been lost to freezes.
    pub(super) fn starting(limits: &Limits, lost: Duration) -> Self {
        Self {
            ready: Some(Instant::now() + limits.ready),
            lost,
            ..Self::default()
        }
    }

    /// Moves every deadline by the time lost to freezes since the last call; `lost` is all there
    /// was.
    pub(super) fn move_by(&mut self, lost: Duration) {
        let more = lost.saturating_sub(self.lost);
        self.lost = lost;
        let step = self.step.as_mut().map(|(at, _)| at);
        let singles = [
            &mut self.ready,
            &mut self.turn,
            &mut self.silence,
            &mut self.control,
            &mut self.follow_up,
            &mut self.idle,
        ];
        let set = singles.into_iter().filter_map(Option::as_mut).chain(step);
        set.for_each(|at| *at += more);
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        let step = self.step.map(|(at, _)| at);
        let singles = [self.ready, self.turn, self.silence, self.control];
        let others = [self.follow_up, self.idle, step];
        singles.into_iter().chain(others).flatten().min()
    }

    /// Takes a deadline that has passed.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        if let Some((at, step)) = self.step
            && at <= now
        {
            self.step = None;
            return Some(Due::Step(step));
        }
        let singles = [
            (&mut self.ready, Due::Ready),
            (&mut self.turn, Due::Turn),
            (&mut self.silence, Due::Silence),
            (&mut self.control, Due::Control),
            (&mut self.follow_up, Due::FollowUp),
            (&mut self.idle, Due::Idle),
        ];
        singles
            .into_iter()
            .find_map(|(at, due)| at.take_if(|at| *at <= now).map(|_| due))
    }
}

/// Sets a deadline when it is wanted and not set, and clears it when it is not wanted.
pub(super) fn keep(timer: &mut Option<Instant>, wanted: bool, deadline: Instant) {
    match wanted {
        true => drop(timer.get_or_insert(deadline)),
        false => *timer = None,
    }
}

/// Waits for a deadline; forever without one.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_passed_deadline_once() {
        let mut timers = Timers::starting(&Limits::default(), Duration::ZERO);
        let now = Instant::now();
        timers.step = Some((now + Duration::from_secs(5), Step::Terminate));
        timers.idle = Some(now + Duration::from_secs(900));
        assert_eq!(timers.next(), Some(now + Duration::from_secs(5)));
        assert_eq!(timers.take_due(now), None);
        let later = now + Duration::from_secs(60);
        assert_eq!(timers.take_due(later), Some(Due::Step(Step::Terminate)));
        assert_eq!(timers.take_due(later), Some(Due::Ready));
        assert_eq!(timers.take_due(later), None);
        assert_eq!(timers.next(), timers.idle);
    }

    #[test]
    fn what_passed_in_a_freeze_is_not_due() {
        let hour = Duration::from_secs(3600);
        let mut timers = Timers::starting(&Limits::default(), hour);
        let (now, ready) = (Instant::now(), timers.next().unwrap());
        timers.step = Some((now + hour, Step::Kill));
        timers.move_by(hour);
        assert_eq!(timers.next(), Some(ready));
        timers.move_by(hour * 2);
        assert_eq!(timers.take_due(now + hour), None);
        assert_eq!(timers.next(), Some(ready + hour));
        assert_eq!(timers.step, Some((now + hour * 2, Step::Kill)));
    }

    #[test]
    fn a_kept_deadline_does_not_move() {
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut timer = None;
        keep(&mut timer, true, first);
        keep(&mut timer, true, second);
        assert_eq!(timer, Some(first));
        keep(&mut timer, false, second);
        assert_eq!(timer, None);
    }
}
