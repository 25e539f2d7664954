//! What is shown while work goes on: the displays of [`skep_model::Event`].
//!
//! A [`Display`] is given each event with the instant it arrived; everything it shows follows
//! from those, so a test sees the same screen each run. It writes to one stream (standard
//! error), and reads no environment: whether that is a terminal, how large it is and whether
//! colours are wanted is handed in.
//!
//! **Start reading** at [`Display`]; [`show`] runs one beside the work.

mod board;
pub mod docker_machine;
mod ink;
mod json;
mod live;
mod plain;

use std::{
    io::{self, Write},
    str::FromStr,
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use json::summary_line;
pub use live::terminal_size;
use skep_model::{Event, Events};

use crate::{persona::Persona, visible};

/// The shortest time between two paintings of the live view: at most twelve a second.
const FRAME: Duration = Duration::from_millis(84);

/// The values of `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// A live view on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A line for each start and end of a step.
    Plain,
    /// A JSON object a line.
    Json,
    None,
}

impl Progress {
    /// The words `--progress` takes.
    pub const WORDS: [&str; 4] = ["auto", "plain", "json", "none"];

    /// The display to use; `terminal` is whether it writes to one that can move its cursor.
    pub fn mode(self, terminal: bool) -> Mode {
        match self {
            Progress::Auto if terminal => Mode::Live,
            Progress::Auto | Progress::Plain => Mode::Plain,
            Progress::Json => Mode::Json,
            Progress::None => Mode::None,
        }
    }
}

impl FromStr for Progress {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Progress::Auto),
            "plain" => Ok(Progress::Plain),
            "json" => Ok(Progress::Json),
            "none" => Ok(Progress::None),
            _ => Err(format!("`{word}` is none of {}", Progress::WORDS.join(", "))),
        }
    }
}

/// A kind of display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A line a machine, painted over and over.
    Live,
    /// A line for each start and end of a step.
    Plain,
    /// A JSON object a line.
    Json,
    None,
}

/// How the stream a display writes to looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colors: bool,
    /// Asks how many columns and rows the terminal has now; see [`terminal_size`].
    pub size: fn() -> (u16, u16),
}

/// Shows events on one stream.
///
/// A stream that cannot be written to any more (a closed pipe) makes it silent: work does not
/// fail because its output is not read.
#[derive(Debug)]
pub struct Display<W> {
    out: W,
    kind: Kind,
    silent: bool,
}

#[derive(Debug)]
enum Kind {
    Live(live::Live),
    Plain(plain::Plain),
    Json(json::Json),
    None,
}

impl<W: Write> Display<W> {
    /// A display of a kind on `out`, for work that starts at `start`.
    pub fn new(mode: Mode, look: Look, out: W, start: Instant) -> Self {
        let kind = match mode {
            Mode::Live => Kind::Live(live::Live::new(look, start)),
            Mode::Plain => Kind::Plain(plain::Plain::new(look)),
            Mode::Json => Kind::Json(json::Json::new(start)),
            Mode::None => Kind::None,
        };
        Self { out, kind, silent: false }
    }

    /// Takes in an event that arrived at `at`.
    pub fn event(&mut self, event: &Event, at: Instant) {
        let text = match &mut self.kind {
            Kind::Live(live) => live.event(event, at),
            Kind::Plain(plain) => plain.event(event, at),
            Kind::Json(json) => json.event(event, at),
            Kind::None => plain::warning(event, ink::Ink::new(false), Persona::Skep),
        };
        self.write(&text);
    }

    /// Lets time pass: the live view shows how long each step takes. Called more often than
    /// twelve times a second it does nothing.
    pub fn tick(&mut self, now: Instant) {
        if let Kind::Live(live) = &mut self.kind {
            let text = live.tick(now);
            self.write(&text);
        }
    }

    /// Ends the display: the live view is wiped away and a summary is left in its place. What is
    /// written to the stream from now on starts on a line of its own.
    pub fn finish(&mut self, now: Instant) {
        if let Kind::Live(live) = &mut self.kind {
            let text = live.finish(now);
            self.write(&text);
        }
    }

    fn write(&mut self, text: &str) {
        if self.silent || text.is_empty() {
            return;
        }
        // In one piece, so that a terminal never paints half of it.
        self.silent = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }
}

/// A display at work on a thread of its own, fed through [`Shown::events`].
#[derive(Debug)]
pub struct Shown {
    events: Events,
    stop: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Event(Event, Instant),
    Finish,
}

/// Runs `display` beside the work, until [`Shown::finish`] or until the `Shown` is dropped.
///
/// # Errors
/// If no thread can be started.
pub fn show<W: Write + Send + 'static>(mut display: Display<W>) -> io::Result<Shown> {
    let (send, receive) = mpsc::channel();
    let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
        loop {
            match receive.recv_timeout(FRAME) {
                Ok(Message::Event(event, at)) => display.event(&event, at),
                Err(RecvTimeoutError::Timeout) => display.tick(Instant::now()),
                Ok(Message::Finish) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        display.finish(Instant::now());
    })?;
    let sink = send.clone();
    let events = Events::new(move |event| {
        // The display is gone after `finish`: a late event is not missed.
        let _ = sink.send(Message::Event(event, Instant::now()));
    });
    Ok(Shown { events, stop: send, thread: Some(thread) })
}

impl Shown {
    /// The handle through which work is shown here.
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Shows what has been sent so far, ends the display, and waits until it is off the screen.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = self.stop.send(Message::Finish);
            // A display that panicked has printed that itself.
            let _ = thread.join();
        }
    }
}

/// How long something took, for people: `0.4 s`, `59.9 s`, `1m05s`.
fn elapsed(time: Duration) -> String {
    // Rounded before it is split: what rounds to a minute is one.
    let tenths = (time.as_millis() + 50) / 100;
    let seconds = tenths / 10;
    if seconds < 60 {
        format!("{seconds}.{} s", tenths % 10)
    } else {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }
}

/// The first line of a text, as a terminal may be sent it.
fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    visible::line(line.trim_end_matches(':')).into_owned()
}

#[cfg(test)]
mod tests;
