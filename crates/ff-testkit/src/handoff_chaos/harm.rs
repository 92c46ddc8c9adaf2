//! A harm is set up, comes about, and ends.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

use super::disk::Disk;
use super::plan::{Harm, Point, Program, Victim};
use super::world::World;

/// How long a disk stays full.
const FULL: Duration = Duration::from_secs(2);

/// A harm that is set up, and how far it has come.
#[derive(Debug)]
pub(super) struct Done {
    harm: Harm,
    hit: bool,
    full_since: Option<Instant>,
}

impl World {
    /// Sets a harm up.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn arm(&mut self, harm: &Harm, at: u64) -> Result<()> {
        match harm {
            Harm::Killed(point) => self.write_ticket(point, &point.name)?,
            Harm::Full(point) => self.write_ticket(point, &format!("{} stop", point.name))?,
            Harm::Cut(way, _) => self.wire.cut_after(*way, at),
        }
        self.harm = Some(Done {
            harm: harm.clone(),
            hit: false,
            full_since: None,
        });
        Ok(())
    }

    fn write_ticket(&self, point: &Point, text: &str) -> Result<()> {
        let ticket = self.ticket(point.program());
        std::fs::write(&ticket, text)?;
        match point.program() {
            Program::Agent => self.vm.give(&ticket),
            _ => Ok(()),
        }
    }

    /// Ends a harm; whether it came about.
    ///
    /// # Errors
    /// A disk cannot be given room again.
    pub(super) fn disarm(&mut self) -> Result<bool> {
        let Some(done) = self.harm.take() else {
            return Ok(false);
        };
        let used = |point: &Point| std::fs::remove_file(self.ticket(point.program())).is_err();
        match &done.harm {
            Harm::Killed(point) => Ok(used(point)),
            Harm::Full(point) => {
                let used = used(point);
                if done.full_since.is_some() {
                    self.disk_of(point)?.free()?;
                }
                Ok(done.hit && used)
            }
            Harm::Cut(..) => {
                self.wire.spare();
                Ok(done.hit)
            }
        }
    }

    /// Goes on with the harm; whether `ff` is to die now.
    ///
    /// # Errors
    /// It cannot be done.
    pub(super) fn go_on_with_harm(&mut self) -> Result<bool> {
        let Some(mut done) = self.harm.take() else {
            return Ok(false);
        };
        let went_on = self.one_step(&mut done);
        self.harm = Some(done);
        went_on
    }

    fn one_step(&mut self, done: &mut Done) -> Result<bool> {
        match &done.harm {
            Harm::Full(point) if !done.hit => {
                if let Some(stopped) = self.stopped(point)? {
                    self.disk_of(point)?.fill()?;
                    (done.hit, done.full_since) = (true, Some(Instant::now()));
                    kill_process(stopped, Signal::CONT)?;
                }
            }
            Harm::Full(point) if done.full_since.is_some_and(|it| it.elapsed() > FULL) => {
                self.disk_of(point)?.free()?;
                done.full_since = None;
            }
            Harm::Cut(_, victim) if !done.hit && !self.wire.is_to_cut() => {
                done.hit = true;
                match victim {
                    Victim::Nobody => {}
                    Victim::Desktop => return Ok(true),
                    Victim::Server => self.server.kill()?,
                    Victim::Agent => kill_process(self.vm.agent()?, Signal::KILL)?,
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Who stopped at a point, as the ticket asked.
    fn stopped(&self, point: &Point) -> Result<Option<Pid>> {
        let program = point.program();
        if self.ticket(program).exists() {
            return Ok(None);
        }
        let log = std::fs::read_to_string(self.log(program))?;
        let mut stopped = log.lines().filter_map(|line| line.strip_prefix("stopped "));
        let Some(said) = stopped.next_back() else {
            return Ok(None);
        };
        // In a container it knows itself by another id.
        let pid = match (program, self.vm.ticket()) {
            (Program::Agent, Some(_)) => Some(self.vm.agent()?),
            _ => said.parse().ok().and_then(Pid::from_raw),
        };
        let Some(pid) = pid else {
            return Ok(None);
        };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        Ok(state.is_some_and(|it| it.starts_with('T')).then_some(pid))
    }

    fn disk_of(&self, point: &Point) -> Result<&Disk> {
        match (point.program(), self.vm.disk()) {
            (Program::Desktop, _) => self.disks.get(0),
            (Program::Server, _) => self.disks.get(1),
            (Program::Agent, None) => self.disks.get(2),
            (Program::Agent, Some(disk)) => Ok(disk),
        }
    }
}
