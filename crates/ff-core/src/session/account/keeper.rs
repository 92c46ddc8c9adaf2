//! The task that keeps the login.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::credentials::Credentials;
use super::policy::{LoginState, Now, Policy};
use super::{LoggedOut, Slot};
use crate::activity::Awake;
use crate::clock;
use crate::session::login;

/// Time between two looks at the file.
const TICK: Duration = Duration::from_secs(1);
/// Time between the first two questions to the CLI; then twice as long each time, up to the longest,
/// in which a machine without other work gets to sleep.
const QUESTION: Duration = Duration::from_secs(5);
const LONGEST_QUESTION: Duration = Duration::from_secs(1800);

/// What the keeper is asked.
#[derive(Debug)]
pub(super) enum Order {
    Take(oneshot::Sender<Slot>),
    GiveBack { number: u64, worked: bool },
    LoggedOut { login: u64, shown: LoggedOut },
    Found,
}

pub(super) struct Keeper {
    claude: PathBuf,
    home: PathBuf,
    credentials: Credentials,
    policy: Policy,
    waiting: VecDeque<oneshot::Sender<Slot>>,
    began: Instant,
    awake: Awake,
    orders: mpsc::WeakSender<Order>,
    told: watch::Sender<LoginState>,
    question: Option<Question>,
}

/// The last question to the CLI.
struct Question {
    next: Duration,
    pause: Duration,
    _task: AbortOnDropHandle<()>,
}

impl Keeper {
    pub(super) fn new(
        claude: PathBuf,
        home: PathBuf,
        awake: Awake,
        orders: mpsc::WeakSender<Order>,
        told: watch::Sender<LoginState>,
    ) -> Self {
        Self {
            credentials: Credentials::of(&home),
            claude,
            home,
            policy: Policy::default(),
            waiting: VecDeque::new(),
            began: Instant::now(),
            awake,
            orders,
            told,
            question: None,
        }
    }

    /// Keeps the login until nobody can ask any more.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Order>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let order = tokio::select! {
                order = asked.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            // Here, on this task: it is a stat of a small file, and at the limit of processes there
            // is no thread to be had for it.
            let expiry = self.credentials.look();
            let now = self.now();
            self.policy.see(expiry, now);
            if let Some(order) = order {
                self.obey(order, now);
            }
            self.grant(now);
            self.ask(now);
            self.tell(now);
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: clock::now(),
            awake: self.began.elapsed().saturating_sub(self.awake.lost()),
        }
    }

    fn obey(&mut self, order: Order, now: Now) {
        match order {
            Order::Take(reply) => self.waiting.push_back(reply),
            Order::GiveBack { number, worked } => self.policy.give_back(number, worked, now),
            Order::LoggedOut { login, shown } => self.policy.logged_out(login, shown, now),
            Order::Found => self.policy.login_found(),
        }
    }

    /// First come, first served; who has gone is passed over.
    fn grant(&mut self, now: Now) {
        self.waiting.retain(|waiting| !waiting.is_closed());
        while !self.waiting.is_empty()
            && let Some(pass) = self.policy.take(now)
            && let Some(waiting) = self.waiting.pop_front()
        {
            let slot = Slot {
                login: pass.login,
                number: pass.number,
                worked: false,
                orders: self.orders.upgrade(),
            };
            // One that cannot be handed over gives itself back as it is dropped.
            drop(waiting.send(slot));
        }
    }

    /// Asks the CLI for a login that is not in the file: once, and again while somebody waits.
    fn ask(&mut self, now: Now) {
        if !self.policy.asks_the_cli() {
            self.question = None;
            return;
        }
        let last = self.question.as_ref();
        if last.is_some_and(|last| self.waiting.is_empty() || now.awake < last.next) {
            return;
        }
        let pause = last.map_or(QUESTION, |last| (last.pause * 2).min(LONGEST_QUESTION));
        let (claude, home, orders) = (self.claude.clone(), self.home.clone(), self.orders.clone());
        let question = tokio::spawn(async move {
            match login::login(&claude, &home).await {
                Ok(login) if login.logged_in => {
                    if let Some(orders) = orders.upgrade() {
                        // The keeper takes it unless it has ended.
                        let _ = orders.send(Order::Found).await;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(?error, "the CLI does not say whether there is a login")
                }
            }
        });
        self.question = Some(Question {
            next: now.awake + pause,
            pause,
            _task: AbortOnDropHandle::new(question),
        });
    }

    fn tell(&self, now: Now) {
        let state = self.policy.state(now);
        self.told.send_if_modified(|last| {
            let news = *last != state;
            if news {
                match &state {
                    LoginState::Required(it) => {
                        tracing::warn!(reason = it.reason, "sessions wait for a login")
                    }
                    LoginState::Free | LoginState::Expiring => {}
                }
                *last = state;
            }
            news
        });
    }
}
