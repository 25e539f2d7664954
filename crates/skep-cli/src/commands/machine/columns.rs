//! Columns of docker-machine's tables: text with tabs, lined up.
//!
//! Its rule (Go's `text/tabwriter` with minimal width 5, padding 3): a cell that ends with a tab is
//! as wide as the widest of those above and below it without a gap, and three spaces, and at least
//! five; what follows the last tab is as long as it happens to be.

use unicode_width::UnicodeWidthStr as _;

const MINIMAL_WIDTH: usize = 5;
const PADDING: usize = 3;

/// The text with spaces in place of tabs.
pub(super) fn aligned(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> =
        lines.iter().map(|line| vec![0; line.len().saturating_sub(1)]).collect();
    for column in 0..widths.iter().map(Vec::len).max().unwrap_or_default() {
        let mut row = 0;
        while row < lines.len() {
            let in_column = widths[row..].iter().take_while(|widths| widths.len() > column);
            let end = row + in_column.count();
            let widest = lines[row..end].iter().map(|line| line[column].width()).max();
            let width = MINIMAL_WIDTH.max(widest.unwrap_or_default() + PADDING);
            widths[row..end].iter_mut().for_each(|widths| widths[column] = width);
            row = end + usize::from(end == row);
        }
    }
    let mut aligned = String::new();
    for (line, widths) in lines.iter().zip(&widths) {
        for (place, cell) in line.iter().enumerate() {
            aligned.push_str(cell);
            let width = widths.get(place).copied().unwrap_or_default();
            aligned.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
        }
        aligned.push('\n');
    }
    aligned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_docker_machines() {
        assert_eq!(
            aligned("NAME\tACTIVE\tDRIVER\tURL\tERRORS\nvb1\t-\tvirtualbox\t\t\n"),
            "NAME   ACTIVE   DRIVER       URL   ERRORS\nvb1    -        virtualbox         \n"
        );
        assert_eq!(aligned("a\nb\tc\n"), "a\nb    c\n");
        // A line without the column parts those above from those below.
        assert_eq!(aligned("wide one\tx\n\nb\ty\n"), "wide one   x\n\nb    y\n");
    }

    proptest! {
        #[test]
        fn nothing_but_blanks_comes_in(text in "[a-cü日\t\n]{0,60}") {
            let without = |text: &str| text.replace([' ', '\t', '\n'], "");
            prop_assert_eq!(without(&aligned(&text)), without(&text));
        }
    }
}
