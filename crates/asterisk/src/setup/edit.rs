//! Edits of whole lines, by number.

use super::read::uncommented;

/// An edit of a file. Lines are counted from 1 in the file as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edit {
    /// Takes a line away.
    Remove(usize),
    /// Puts another line in its place.
    Replace(usize, String),
    /// Puts lines after a line.
    After(usize, String),
    /// Puts lines at the end.
    Append(String),
}

/// Makes edits. Every other byte stays as it is, and what was a comment stays one: block comments may begin or end on a line that is
/// edited.
pub fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let mut out = Vec::with_capacity(bytes.len() + 256);
    let mut nest = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        let outer = nest.len();
        let text = line.split(|byte| *byte == 0).next().unwrap_or_default();
        uncommented(&String::from_utf8_lossy(text), number, &mut nest);
        let inner = nest.len();
        let replaced = edits.iter().find_map(|edit| match edit {
            Edit::Replace(line, text) if *line == number => Some(text.as_str()),
            Edit::Remove(line) if *line == number => Some(""),
            _ => None,
        });
        match replaced {
            None => out.extend_from_slice(line),
            Some("") if outer + inner == 0 => {}
            Some(text) => {
                out.extend_from_slice("--;".repeat(outer).as_bytes());
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(" ;--".repeat(inner).as_bytes());
                out.push(b'\n');
            }
        }
        for edit in edits {
            if let Edit::After(line, text) = edit
                && *line == number
            {
                end_line(&mut out);
                out.extend_from_slice("--;".repeat(inner).as_bytes());
                out.extend_from_slice(text.as_bytes());
                if inner > 0 {
                    out.extend_from_slice(";--".repeat(inner).as_bytes());
                    out.push(b'\n');
                }
            }
        }
    }
    for edit in edits {
        if let Edit::Append(text) = edit {
            end_line(&mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

fn end_line(out: &mut Vec<u8>) {
    if out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_every_other_byte_as_it_is() {
        let edits =
            [Edit::Append("z\n".into()), Edit::After(1, "x\n".into()), Edit::Remove(2), Edit::Replace(3, "C".into())];
        assert_eq!(apply(b"a\xff\r\nb\nc\nd", &edits), b"a\xff\r\nx\nC\nd\nz\n");
        assert_eq!(apply(b"", &[Edit::Append("z\n".into())]), b"z\n");
        assert_eq!(apply(b"a", &[]), b"a");
        assert_eq!(apply(b"a\n\n", &[]), b"a\n\n");
    }

    #[test]
    fn what_was_a_comment_stays_one() {
        let text = b"a = 1 ;-- b\nc = 2\n--; d = 3\ne = 4\n";
        assert_eq!(apply(text, &[Edit::Replace(1, "A".into())]), b"A ;--\nc = 2\n--; d = 3\ne = 4\n");
        assert_eq!(apply(text, &[Edit::Remove(1)]), b" ;--\nc = 2\n--; d = 3\ne = 4\n");
        assert_eq!(apply(text, &[Edit::Replace(3, "D".into())]), b"a = 1 ;-- b\nc = 2\n--;D\ne = 4\n");
        assert_eq!(apply(text, &[Edit::After(1, "x\n".into())]), b"a = 1 ;-- b\n--;x\n;--\nc = 2\n--; d = 3\ne = 4\n");
    }
}
