use std::sync::{Arc, Mutex};

use skep_model::{StepId, event::Outcome};

use super::*;

/// A terminal in memory that counts what reaches it.
#[derive(Clone)]
struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    writes: Arc<Mutex<usize>>,
}

impl Terminal {
    fn new((columns, rows): (u16, u16)) -> Self {
        let size = |length: u16| length.try_into().unwrap();
        let screen = vt100::Parser::new(size(rows), size(columns), 1000);
        Self { screen: Arc::new(Mutex::new(screen)), writes: Arc::default() }
    }

    /// The screen's lines without trailing spaces, and where the cursor is.
    fn screen(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let (row, column) = screen.cursor_position();
        let (_, columns) = screen.size();
        let lines: Vec<_> =
            screen.rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect();
        format!("{}\n[cursor {row},{column}]", lines.join("\n").trim_end())
    }

    fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.writes.lock().unwrap() += 1;
        self.screen.lock().unwrap().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A display whose clock the test turns.
struct Stage<W> {
    display: Display<W>,
    start: Instant,
    now: Duration,
    next: u64,
}

impl<W: Write> Stage<W> {
    fn new(mode: Mode, look: Look, out: W) -> Self {
        let start = Instant::now();
        let display = Display::new(mode, look, out, start);
        Self { display, start, now: Duration::ZERO, next: 1 }
    }

    fn at(&mut self, millis: u64) -> &mut Self {
        self.now = Duration::from_millis(millis);
        self.display.tick(self.start + self.now);
        self
    }

    fn send(&mut self, event: Event) {
        self.display.event(&event, self.start + self.now);
    }

    fn step(&mut self, subject: &str, step: &str) -> StepId {
        let id = StepId(self.next);
        self.next += 1;
        self.send(Event::Started { id, subject: subject.into(), step: step.into() });
        id
    }

    fn detail(&mut self, id: StepId, detail: &str, of: Option<(u64, u64)>) {
        let (done, total) = of.unzip();
        self.send(Event::Progress { id, detail: detail.into(), done, total });
    }

    fn end(&mut self, id: StepId, outcome: Outcome) {
        self.send(Event::Ended { id, outcome });
    }

    fn warn(&mut self, subject: &str, text: &str) {
        self.send(Event::Warning { subject: subject.into(), text: text.into(), advice: None });
    }

    fn finish(&mut self, millis: u64) {
        self.now = Duration::from_millis(millis);
        self.display.finish(self.start + self.now);
    }
}

const PLAIN: Look = Look { colors: false, size: || (80, 24) };

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.into(), advice: None }
}

/// Two machines come up, one does not; the same events for each display. `look` is called where
/// someone may want to look at the screen.
fn tell<W: Write>(stage: &mut Stage<W>, mut look: impl FnMut(&str)) {
    let image = stage.step("", "building the guest OS");
    stage.at(400).detail(image, "unpacking docker.io", Some((12, 80)));
    stage.at(500);
    look("building");
    stage.at(45_200).end(image, Outcome::Done);
    let up = stage.step("", "creating the cluster skep");
    let names = ["worker2", "worker10", "manager1"];
    let starts = names.map(|name| stage.step(name, "starting"));
    stage.at(45_300);
    stage.warn("", "the kernel has no IPVS: published ports will not answer\n  load ip_vs");
    stage.at(46_000);
    for id in starts {
        stage.end(id, Outcome::Done);
    }
    let waits = names.map(|name| stage.step(name, "waiting for the engine"));
    stage.at(47_000).detail(waits[0], "no SSH banner yet", None);
    stage.at(47_100).end(waits[2], Outcome::Done);
    stage.at(47_200);
    look("waiting");
    stage.at(52_500).detail(waits[0], "key rejected", None);
    stage.at(52_600).end(waits[0], failed("`ssh` ended with 255:\n  permission denied"));
    stage.at(52_700).end(waits[1], Outcome::Abandoned);
    let trust = stage.step("manager1", "installing certificates");
    stage.at(52_800).end(trust, Outcome::Skipped { reason: "there are none".into() });
    stage.at(52_900);
    look("over");
    stage.end(up, failed("worker2 did not come up"));
    stage.finish(53_000);
    look("finished");
}

fn on_screen(size: (u16, u16), look: Look) -> String {
    let terminal = Terminal::new(size);
    let mut stage = Stage::new(Mode::Live, look, terminal.clone());
    let mut all = String::new();
    tell(&mut stage, |when| {
        all += &format!("---- {when}\n{}\n", terminal.screen());
    });
    all
}

fn written(mode: Mode) -> String {
    let mut stage = Stage::new(mode, PLAIN, Vec::new());
    tell(&mut stage, |_| {});
    String::from_utf8(stage.display.out).unwrap()
}

#[test]
fn the_live_view() {
    insta::assert_snapshot!(on_screen((80, 24), PLAIN));
}

#[test]
fn the_live_view_on_a_narrow_terminal() {
    insta::assert_snapshot!(on_screen((30, 24), Look { size: || (30, 24), ..PLAIN }));
}

#[test]
fn the_live_view_on_a_low_terminal() {
    insta::assert_snapshot!(on_screen((60, 4), Look { size: || (60, 4), ..PLAIN }));
}

#[test]
fn plain_lines() {
    insta::assert_snapshot!(written(Mode::Plain));
}

#[test]
fn json_lines() {
    let text = written(Mode::Json);
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["schema"], 1);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn none_leaves_the_warnings() {
    assert_eq!(
        written(Mode::None),
        "warning: the kernel has no IPVS: published ports will not answer\n    load ip_vs\n"
    );
}

#[test]
fn colours_are_there_only_if_wanted() {
    for (colors, expected) in [(true, true), (false, false)] {
        let look = Look { colors, ..PLAIN };
        for mode in [Mode::Live, Mode::Plain] {
            let mut stage = Stage::new(mode, look, Vec::new());
            tell(&mut stage, |_| {});
            let text = String::from_utf8(stage.display.out).unwrap();
            assert_eq!(text.contains("\x1b[31m"), expected, "{mode:?}");
            assert_eq!(
                text.contains("\x1b[") && mode == Mode::Plain,
                expected && mode == Mode::Plain
            );
        }
    }
}

#[test]
fn colours_take_no_room() {
    let colored = on_screen((30, 24), Look { colors: true, size: || (30, 24) });
    assert_eq!(colored, on_screen((30, 24), Look { size: || (30, 24), ..PLAIN }));
}

#[test]
fn work_that_is_over_at_once_leaves_no_trace() {
    let terminal = Terminal::new((80, 24));
    let mut stage = Stage::new(Mode::Live, PLAIN, terminal.clone());
    let id = stage.step("manager1", "connecting");
    stage.at(80).end(id, Outcome::Done);
    stage.finish(100);
    assert_eq!(terminal.writes(), 0);
}

#[test]
fn thousands_of_events_paint_twelve_times_a_second() {
    let terminal = Terminal::new((80, 24));
    let mut stage = Stage::new(Mode::Live, PLAIN, terminal.clone());
    let id = stage.step("worker1", "copying");
    for done in 0..10_000 {
        stage.at(300 + done / 5).detail(id, "copying", Some((done, 10_000)));
    }
    // Two seconds.
    assert!((20..=25).contains(&terminal.writes()), "{}", terminal.writes());
    stage.end(id, Outcome::Done);
    stage.finish(2_400);
    assert_eq!(terminal.screen(), "✓ worker1    2.3 s\n[cursor 1,0]");
}

#[test]
fn a_view_without_news_is_not_painted_again() {
    let terminal = Terminal::new((80, 24));
    let mut stage = Stage::new(Mode::Live, PLAIN, terminal.clone());
    let id = stage.step("worker1", "starting");
    stage.at(400).end(id, Outcome::Done);
    stage.at(500);
    let writes = terminal.writes();
    stage.at(1_000).at(1_100);
    assert_eq!(terminal.writes(), writes);
}

#[test]
fn a_terminal_made_narrower_keeps_one_view() {
    static COLUMNS: Mutex<u16> = Mutex::new(80);
    let look = Look { size: || (*COLUMNS.lock().unwrap(), 24), ..PLAIN };
    let terminal = Terminal::new((80, 24));
    let mut stage = Stage::new(Mode::Live, look, terminal.clone());
    let id = stage.step("worker1", "waiting for the engine");
    stage.detail(id, "the connection was refused, the machine may still be starting", None);
    stage.at(400);
    // What a terminal that wraps anew does to the line that is on it.
    let line = terminal.screen().lines().next().unwrap().to_owned();
    let narrow = Terminal::new((40, 24));
    narrow.clone().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    assert!(narrow.screen().lines().count() > 2);
    *COLUMNS.lock().unwrap() = 40;
    stage.display.out = narrow.clone();
    stage.at(500);
    let screen = narrow.screen();
    assert_eq!(screen.matches("worker1").count(), 1, "{screen}");
    assert!(screen.ends_with("[cursor 1,0]"), "{screen}");
}

#[test]
fn a_hundred_machines_fit_any_terminal() {
    let terminal = Terminal::new((80, 10));
    let mut stage = Stage::new(Mode::Live, Look { size: || (80, 10), ..PLAIN }, terminal.clone());
    let ids: Vec<StepId> =
        (1..=100).map(|n| stage.step(&format!("worker{n}"), "starting")).collect();
    for id in &ids[..60] {
        stage.at(400).end(*id, Outcome::Done);
    }
    stage.at(1_000).at(2_000);
    let screen = terminal.screen();
    assert!(screen.contains("worker61 ") && !screen.contains("worker60 "), "{screen}");
    assert!(screen.contains("… and 92 more, 32 of them at work\n[cursor 9,0]"), "{screen}");
}

#[test]
fn a_stream_that_is_gone_is_no_failure() {
    struct Gone(usize);
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut stage = Stage::new(Mode::Plain, PLAIN, Gone(0));
    tell(&mut stage, |_| {});
    assert_eq!(stage.display.out.0, 1);
}

#[test]
fn hostile_texts_stay_in_their_line() {
    for mode in [Mode::Live, Mode::Plain, Mode::Json, Mode::None] {
        let mut stage = Stage::new(mode, PLAIN, Vec::new());
        let id = stage.step("a\x1b[2Jb", "do\rit\n\x07again");
        stage.detail(id, "x\x1b]0;title\x07", None);
        stage.warn("c\x1b[H", "say\x1b[1A\nmore");
        stage.at(400).at(6_000).detail(id, "x\x1b[1m", None);
        stage.end(id, failed("no\x1b[3J"));
        stage.finish(7_000);
        let text = String::from_utf8(stage.display.out).unwrap();
        for bad in ["\x1b[2J", "\x1b]", "\x07", "\x1b[H", "\x1b[1m", "\x1b[3J", "\x1b[1A\nm"] {
            assert!(!text.contains(bad), "{mode:?} {bad:?}: {text:?}");
        }
    }
}

#[test]
fn every_word_of_progress_is_understood() {
    let modes = Progress::WORDS.map(|word| {
        let progress: Progress = word.parse().unwrap();
        (progress.mode(true), progress.mode(false))
    });
    assert_eq!(
        modes,
        [
            (Mode::Live, Mode::Plain),
            (Mode::Plain, Mode::Plain),
            (Mode::Json, Mode::Json),
            (Mode::None, Mode::None)
        ]
    );
    assert_eq!("bar".parse::<Progress>(), Err("`bar` is none of auto, plain, json, none".into()));
}

#[test]
fn times_are_told_for_people() {
    let told = |millis| elapsed(Duration::from_millis(millis));
    assert_eq!(
        [0, 49, 50, 9_949, 59_949, 59_950, 60_000, 65_999, 7_265_000].map(told),
        ["0.0 s", "0.0 s", "0.1 s", "9.9 s", "59.9 s", "1m00s", "1m00s", "1m06s", "121m05s"]
    );
}

#[test]
fn a_display_beside_the_work_shows_all_that_was_sent() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let display = Display::new(Mode::Plain, PLAIN, log.clone(), Instant::now());
    let shown = show(display).unwrap();
    let events = shown.events();
    std::thread::scope(|scope| {
        for worker in 1..=4 {
            let events = events.clone();
            scope.spawn(move || {
                for step in 1..=10 {
                    events.step(format!("worker{worker}"), format!("step {step}")).done();
                }
            });
        }
    });
    shown.finish();
    assert_eq!(log.text().matches(": done (").count(), 40);
    events.step("late", "unseen").done();
    assert!(!log.text().contains("late"));
}
