//! Tables with a column of sentences, for a terminal of 100 columns.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle};

/// How wide a table may be.
const WIDTH: u16 = 100;
/// The titles of columns whose cells may be broken.
const SENTENCES: [&str; 4] = ["reason", "summary", "in its own words", "where"];
/// Beyond so many columns they stand closer together.
const MANY_COLUMNS: usize = 8;

/// A plain table; columns named in `right` are aligned to the right.
pub(crate) fn table(titles: &[&str], right: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(titles)
        .enforce_styling();
    for row in rows {
        table.add_row(row);
    }
    let gap = if titles.len() > MANY_COLUMNS { 1 } else { 2 };
    for (index, title) in titles.iter().enumerate() {
        let Some(column) = table.column_mut(index) else {
            continue;
        };
        if right.contains(title) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let is_last = index + 1 == titles.len();
        column.set_padding((0, if is_last { 0 } else { gap }));
    }
    // Only sentences are broken.
    for (index, title) in titles.iter().enumerate() {
        if !SENTENCES.contains(title)
            && let Some(column) = table.column_mut(index)
        {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    // Nobody wants the blanks behind the last column.
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// A file's name as a table shows it: of a long one the end, which tells more.
/// The JSON has it whole.
pub(crate) fn short(file: &str, width: usize) -> String {
    let nr_chars = file.chars().count();
    if nr_chars <= width {
        return file.to_owned();
    }
    let end: String = file.chars().skip(nr_chars + 1 - width).collect();
    format!("…{end}")
}

/// `3 updates`, `1 file`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    count_of(number, noun, &format!("{noun}s"))
}

/// The same for nouns with a plural of their own.
pub(crate) fn count_of(number: usize, noun: &str, nouns: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {nouns}"),
    }
}
