//! The live view: a line a machine, painted in place.
//!
//! ```text
//! ⠹   4.1 s  creating the cluster skep › starting four machines
//! ✓ manager1    3.9 s  waiting for the engine
//! ⠹ worker1     1.2 s  waiting for the engine: no SSH banner yet
//! ```
//!
//! A frame is painted over the one before, line by line and in one write, without wiping first:
//! nothing flickers. The cursor rests on the empty line below, so that whatever else is printed
//! (`^C`, a prompt after SIGKILL) does not land in the view.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use skep_model::Event;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    FRAME, Look,
    board::{Board, Ending, Milestone, Subject},
    elapsed,
    ink::Ink,
    plain,
};
use crate::persona::Persona;

/// Work that is over sooner than this leaves no trace on the screen.
const PATIENCE: Duration = Duration::from_millis(300);

/// Columns for a machine's name, at most: a longer one is cut.
const NAME: usize = 24;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

#[derive(Debug)]
pub(super) struct Live {
    look: Look,
    ink: Ink,
    start: Instant,
    board: Board,
    /// Lines to be left above the view.
    above: String,
    /// The lines of the view on the screen.
    painted: Vec<Line>,
    last_paint: Option<Instant>,
}

impl Live {
    pub(super) fn new(look: Look, start: Instant) -> Self {
        Self {
            look,
            ink: Ink::new(look.colors),
            start,
            board: Board::default(),
            above: String::new(),
            painted: Vec::new(),
            last_paint: None,
        }
    }

    pub(super) fn event(&mut self, event: &Event, at: Instant) -> String {
        self.board.take_in(event, at);
        self.above += &plain::warning(event, self.ink, Persona::Skep);
        self.tick(at)
    }

    /// What to write at `now`: a frame if one is due, else nothing.
    pub(super) fn tick(&mut self, now: Instant) -> String {
        let due = match self.last_paint {
            Some(last) => now.saturating_duration_since(last) >= FRAME,
            None => now.saturating_duration_since(self.start) >= PATIENCE,
        };
        if !due || (self.above.is_empty() && !self.board.is_busy() && self.painted.is_empty()) {
            return String::new();
        }
        self.last_paint = Some(now);
        let (columns, rows) = size(self.look);
        // The last column stays free: what is written there, terminals wrap each in their way.
        // So does the last row, where the cursor rests.
        let lines = self.frame(now, columns - 1, rows - 1);
        if self.above.is_empty() && lines == self.painted {
            return String::new();
        }
        self.paint(lines, columns)
    }

    /// What to write at the end: the view goes, the summary stays. Work that was too short for a
    /// view needs no summary either.
    pub(super) fn finish(&mut self, now: Instant) -> String {
        let (columns, _) = size(self.look);
        if self.last_paint.take().is_some() {
            let summary = self.summary(now, columns - 1);
            self.above += &summary;
        }
        self.paint(Vec::new(), columns)
    }

    /// Writes over the view on the screen: what is to be left above it, then the new view.
    fn paint(&mut self, lines: Vec<Line>, columns: usize) -> String {
        // A terminal that has become narrower has wrapped the lines of the old view.
        let rows: usize = self.painted.iter().map(|line| line.width.div_ceil(columns).max(1)).sum();
        let mut text = String::new();
        if rows > 0 {
            let _ = write!(text, "\x1b[{rows}A\r");
        }
        for line in self.above.lines() {
            let _ = write!(text, "{line}\x1b[K\r\n");
        }
        for line in &lines {
            let _ = write!(text, "{}\x1b[K\r\n", line.text);
        }
        if rows > 0 {
            text.push_str("\x1b[J");
        }
        self.above.clear();
        self.painted = lines;
        text
    }

    /// The view at `now`, no wider than `columns` and no higher than `rows`.
    fn frame(&self, now: Instant, columns: usize, rows: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        lines.extend(self.header(now, columns));
        let mut machines = self.board.machines();
        let width = name_width(&machines);
        let room = rows - lines.len().min(rows);
        let hidden = (machines.len() > room).then(|| {
            // Those that are done make room first.
            machines.sort_by_key(|machine| match (machine.current(), &machine.last) {
                (Some(_), _) => 0,
                (None, Some((_, Ending::Failed(_), _))) => 1,
                _ => 2,
            });
            machines.split_off(room.saturating_sub(1))
        });
        lines.extend(machines.iter().map(|machine| self.line(machine, width, now, columns)));
        if let Some(hidden) = hidden
            && room > 0
        {
            let busy = hidden.iter().filter(|machine| machine.current().is_some()).count();
            let mut line = LineBuilder::new(columns);
            let text = format!("  … and {} more, {busy} of them at work", hidden.len());
            line.push(&text, |text| self.ink.dim(text));
            lines.push(line.build());
        }
        lines
    }

    fn header(&self, now: Instant, columns: usize) -> Option<Line> {
        let whole = self.board.whole()?;
        let (outer, inner) = (whole.steps.first()?, whole.current()?);
        let names: Vec<&str> = whole.steps.iter().map(|step| step.name.as_str()).collect();
        let took = elapsed(now.saturating_duration_since(outer.started));
        let mut line = LineBuilder::new(columns);
        line.push(self.spinner(now), |text| self.ink.cyan(text));
        line.push(&format!(" {took:>7}  {}", names.join(" › ")), str::to_owned);
        line.push(&detail(&inner.detail, inner.percent), |text| self.ink.dim(text));
        Some(line.build())
    }

    fn line(&self, machine: &Subject, width: usize, now: Instant, columns: usize) -> Line {
        let name = cut(&machine.name, width);
        let name = format!(" {name}{:1$}  ", "", width - name.width());
        let mut line = LineBuilder::new(columns);
        match (machine.current(), &machine.last) {
            (Some(step), _) => {
                let took = elapsed(now.saturating_duration_since(step.started));
                line.push(self.spinner(now), |text| self.ink.cyan(text));
                line.push(&format!("{name}{took:>7}  {}", step.name), str::to_owned);
                line.push(&detail(&step.detail, step.percent), |text| self.ink.dim(text));
            }
            (None, Some((step, ending, took))) => {
                self.mark(&mut line, ending);
                line.push(&name, str::to_owned);
                line.push(&format!("{:>7}  {step}", elapsed(*took)), |text| self.ink.dim(text));
                self.reason(&mut line, ending);
            }
            (None, None) => line.push(&format!(" {name}"), str::to_owned),
        }
        line.build()
    }

    fn summary(&self, now: Instant, columns: usize) -> String {
        let mut lines = Vec::new();
        // What took no time is shown only where it went wrong.
        let is_shown =
            |milestone: &&Milestone| milestone.took >= PATIENCE || milestone.ending != Ending::Done;
        for milestone in self.board.milestones.iter().filter(is_shown) {
            let mut line = LineBuilder::new(columns);
            self.mark(&mut line, &milestone.ending);
            let text = format!(" {:>7}  {}", elapsed(milestone.took), milestone.name);
            line.push(&text, str::to_owned);
            self.reason(&mut line, &milestone.ending);
            lines.push(line.build());
        }
        let machines = self.board.machines();
        let width = name_width(&machines);
        for machine in machines {
            let (step, ending) = match (machine.current(), &machine.last) {
                (Some(step), _) => (step.name.as_str(), &Ending::Abandoned),
                (None, Some((step, ending, _))) => (step.as_str(), ending),
                (None, None) => continue,
            };
            let name = cut(&machine.name, width);
            let mut line = LineBuilder::new(columns);
            self.mark(&mut line, ending);
            let total = elapsed(machine.total(now));
            let text = format!(" {name}{:1$}  {total:>7}", "", width - name.width());
            line.push(&text, str::to_owned);
            if *ending != Ending::Done {
                line.push(&format!("  {step}"), str::to_owned);
                self.reason(&mut line, ending);
            }
            lines.push(line.build());
        }
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    fn mark(&self, line: &mut LineBuilder, ending: &Ending) {
        match ending {
            Ending::Done => line.push("✓", |text| self.ink.green(text)),
            Ending::Failed(_) => line.push("✗", |text| self.ink.red(text)),
            Ending::Abandoned => line.push("-", |text| self.ink.yellow(text)),
        }
    }

    fn reason(&self, line: &mut LineBuilder, ending: &Ending) {
        match ending {
            Ending::Done => {}
            Ending::Failed(reason) => {
                line.push(&format!(": {reason}"), |text| self.ink.red(text));
            }
            Ending::Abandoned => line.push(": given up", |text| self.ink.yellow(text)),
        }
    }

    fn spinner(&self, now: Instant) -> &'static str {
        let tenths = now.saturating_duration_since(self.start).as_millis() / 100;
        SPINNER[usize::try_from(tenths % 10).unwrap_or_default()]
    }
}

/// How many columns and rows the terminal behind `stream` has; 80 and 24 if it reports none.
pub fn terminal_size(stream: impl std::os::fd::AsFd) -> (u16, u16) {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

fn size(look: Look) -> (usize, usize) {
    let (columns, rows) = (look.size)();
    (usize::from(columns.max(2)), usize::from(rows.max(2)))
}

fn name_width(machines: &[&Subject]) -> usize {
    machines.iter().map(|machine| machine.name.width()).max().unwrap_or_default().min(NAME)
}

fn detail(detail: &str, percent: Option<u64>) -> String {
    match (detail, percent) {
        ("", None) => String::new(),
        ("", Some(percent)) => format!(": {percent} %"),
        (detail, None) => format!(": {detail}"),
        (detail, Some(percent)) => format!(": {detail} ({percent} %)"),
    }
}

/// `text` if it fits in `columns`, else its start with `…` in the last column.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let mut start: String = text
        .chars()
        .take_while(|c| {
            let width = c.width().unwrap_or_default();
            let fits = width <= room;
            room = room.saturating_sub(width);
            fits
        })
        .collect();
    if columns > 0 {
        start.push('…');
    }
    start
}

/// A line of the view: its text with colours, and how many columns it takes.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    width: usize,
}

/// Puts pieces side by side until a line is full.
struct LineBuilder {
    line: Line,
    columns: usize,
}

impl LineBuilder {
    fn new(columns: usize) -> Self {
        Self { line: Line { text: String::new(), width: 0 }, columns }
    }

    /// Adds as much of `text` as fits, painted.
    fn push(&mut self, text: &str, paint: impl Fn(&str) -> String) {
        let piece = cut(text, self.columns - self.line.width);
        self.line.width += piece.width();
        self.line.text += &paint(&piece);
    }

    fn build(self) -> Line {
        self.line
    }
}
