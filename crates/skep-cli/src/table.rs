//! Text tables with the columns of the docker CLI's.
//!
//! Its rule (`cli/command/formatter` writes through a tab writer with minimal width 10, padding
//! 3): every column but the last is as wide as its widest cell and three spaces, and at least ten;
//! the last is as long as it happens to be. Widths are those of a terminal's cells.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::visible;

const MINIMAL_WIDTH: usize = 10;
const PADDING: usize = 3;

/// A table with a header line; its `Display` is the lines, each with its end.
#[derive(Debug, Clone)]
pub struct Table<const COLUMNS: usize> {
    lines: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub fn new(header: [&str; COLUMNS]) -> Self {
        Self { lines: vec![header.map(str::to_owned)] }
    }

    /// Adds a row. What would act on a terminal, as a foreign host's name could, is shown; before
    /// widths are looked at, since it has others then.
    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.lines.push(cells.map(|cell| visible::line(&cell).into_owned()));
    }

    fn width(&self, column: usize) -> usize {
        let widest = self.lines.iter().map(|line| line[column].width()).max().unwrap_or_default();
        MINIMAL_WIDTH.max(widest + PADDING)
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (1..COLUMNS).map(|column| self.width(column - 1)).collect();
        for line in &self.lines {
            for (cell, width) in line.iter().zip(&widths) {
                write!(f, "{cell}{:1$}", "", width - cell.width())?;
            }
            writeln!(f, "{}", line.last().map_or("", String::as_str))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_dockers() {
        let mut table = Table::new(["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
        for (id, name) in [("89c6d7a9910e", "bridge"), ("ca88b746124e", "a-longer-name")] {
            table.row([id, name, "bridge", "local"].map(str::to_owned));
        }
        assert_eq!(
            table.to_string(),
            "NETWORK ID     NAME            DRIVER    SCOPE\n\
             89c6d7a9910e   bridge          bridge    local\n\
             ca88b746124e   a-longer-name   bridge    local\n"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_cell() {
        let mut table = Table::new(["A", "B"]);
        table.row(["x\u{1b}[2J\ty\nz".into(), "b".into()]);
        assert_eq!(table.to_string(), "A                  B\nx\\u{1b}[2J\\ty\\nz   b\n");
    }

    proptest! {
        #[test]
        fn each_column_starts_at_one_place(cells in prop::collection::vec(("[a-zü日]{0,12}", "[a-z]{0,4}"), 0..8)) {
            let mut table = Table::new(["HEAD", "LAST"]);
            for (one, other) in &cells {
                table.row([one.clone(), other.clone()]);
            }
            let text = table.to_string();
            let starts: Vec<usize> = text
                .lines()
                .zip(std::iter::once("LAST").chain(cells.iter().map(|(_, last)| last.as_str())))
                .map(|(line, last)| line.strip_suffix(last).unwrap().width())
                .collect();
            prop_assert!(starts.iter().all(|&start| start == starts[0] && start >= 10), "{}", text);
        }
    }
}
