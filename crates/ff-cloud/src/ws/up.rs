//! From the client to the agent. Nothing is sent to a VM that is not known to be awake: what the
//! client says meanwhile is kept, in order, and sent once.

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use futures_util::StreamExt;

use super::frame::{Failed, Frame, Incoming, Outgoing};
use super::held::{Held, Kind};
use super::pump::{Patience, Stop};
use super::side::Side;

/// The way up of one relay.
pub struct Up<'a> {
    /// What comes from the client.
    pub client: &'a mut Incoming,
    /// The way to the agent.
    pub agent: &'a mut Outgoing,
    /// The socket's kind.
    pub kind: Kind,
    /// The VM's side.
    pub side: &'a Side,
    /// The relay's patience.
    pub patience: Patience,
}

impl Up<'_> {
    /// Carries messages until one side ends.
    pub async fn carry(mut self) -> Stop {
        let mut held = Held::default();
        let mut ping = interval(self.patience.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let message = tokio::select! {
                () = self.side.awake(), if !held.is_empty() => {
                    if let Err(stop) = self.pass_on(&mut held).await {
                        return stop;
                    }
                    // Nobody listened to the client meanwhile.
                    heard = Instant::now();
                    continue;
                }
                message = self.client.next(), if !held.wakes() => message,
                _ = ping.tick() => {
                    if held.wakes() {
                        heard = Instant::now();
                    }
                    if heard.elapsed() > self.patience.silence {
                        return Stop::From(Failed::Broken);
                    }
                    if held.is_empty()
                        && self.side.is_awake().await
                        && let Err(stop) = self.send(Frame::Ping).await
                    {
                        return stop;
                    }
                    continue;
                }
            };
            let frame = match message {
                None => return Stop::From(Failed::Broken),
                Some(Err(failed)) => return Stop::From(failed),
                Some(Ok(Frame::Close(end))) => return Stop::Closed(end),
                Some(Ok(frame)) => frame,
            };
            heard = Instant::now();
            if matches!(frame, Frame::Text(_) | Frame::Binary(_)) {
                if let Err(stop) = self.take(frame, &mut held).await {
                    return stop;
                }
                heard = Instant::now();
            }
        }
    }

    /// Passes a message on, or keeps it.
    async fn take(&mut self, frame: Frame, held: &mut Held) -> Result<(), Stop> {
        let intent = self.kind.is_intent(&frame);
        if intent {
            self.side.note_activity();
        }
        if held.is_empty() && self.side.is_awake().await {
            return self.say(frame, intent).await;
        }
        held.push(frame, intent);
        if held.wakes() {
            self.side.wait_for_it(true);
        }
        Ok(())
    }

    /// Passes on what was kept, as long as the VM is awake.
    async fn pass_on(&mut self, held: &mut Held) -> Result<(), Stop> {
        while self.side.is_awake().await
            && let Some((frame, intent)) = held.pop()
        {
            self.say(frame, intent).await?;
        }
        self.side.wait_for_it(held.wakes());
        Ok(())
    }

    async fn say(&mut self, frame: Frame, intent: bool) -> Result<(), Stop> {
        if !intent {
            return self.send(frame).await;
        }
        self.side.saying(true);
        let sent = self.send(frame).await;
        self.side.saying(false);
        sent
    }

    /// Sends; time in which the VM sleeps does not count.
    async fn send(&mut self, frame: Frame) -> Result<(), Stop> {
        let sending = self.agent.send(frame);
        tokio::pin!(sending);
        loop {
            match timeout(self.patience.write, &mut sending).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(Stop::To),
                Err(_) if self.side.is_awake().await => return Err(Stop::To),
                Err(_) => self.side.awake().await,
            }
        }
    }
}
