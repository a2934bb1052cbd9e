//! Edits of whole lines, by number.

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

/// Makes edits. Every other byte stays as it is.
pub fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let mut out = Vec::with_capacity(bytes.len() + 256);
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        let replaced = edits.iter().find_map(|edit| match edit {
            Edit::Replace(line, text) if *line == number => Some(text),
            _ => None,
        });
        if let Some(text) = replaced {
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
        } else if !edits.contains(&Edit::Remove(number)) {
            out.extend_from_slice(line);
        }
        for edit in edits {
            if let Edit::After(line, text) = edit
                && *line == number
            {
                end_line(&mut out);
                out.extend_from_slice(text.as_bytes());
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
}
