//! Reading a trace, row by row: `TIMESTAMP,ContextTokens,GeneratedTokens`.

use std::fs::File;
use std::io::{BufRead, BufReader};

use bursar::clock::Timestamp;

/// One call of the trace.
pub struct Row {
    pub at: Timestamp,
    pub context: u64,
    pub generated: u64,
}

/// The rows of a file, or of the bundled trace.
pub struct Rows {
    source: Box<dyn BufRead>,
    line: u64,
    text: Vec<u8>,
}

impl Rows {
    pub fn open(file: Option<&str>) -> Result<Rows, String> {
        let source: Box<dyn BufRead> = match file {
            None => Box::new(include_str!("trace.csv").as_bytes()),
            Some(file) => {
                let open = File::open(file).map_err(|error| format!("{file}: {error}"))?;
                Box::new(BufReader::new(open))
            }
        };
        Ok(Rows { source, line: 0, text: Vec::new() })
    }

    /// The number of the last line that was read, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next call, or what is wrong with its line. `None` at the end.
    pub fn next(&mut self) -> Option<Result<Row, String>> {
        loop {
            self.text.clear();
            let line = self.line + 1;
            match self.source.read_until(b'\n', &mut self.text) {
                Ok(0) => return None,
                Ok(_) => self.line = line,
                Err(error) => return Some(Err(error.to_string())),
            }
            let text = String::from_utf8_lossy(&self.text);
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() || (line == 1 && text.starts_with("TIMESTAMP")) {
                continue;
            }
            return Some(row(text));
        }
    }
}

fn row(text: &str) -> Result<Row, String> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let [at, context, generated] = fields[..] else {
        return Err(format!("{} fields where there should be three", fields.len()));
    };
    let count = |name: &str, text: &str| {
        text.parse::<u64>().map_err(|_| format!("{name} is `{text}`, which is no number of tokens"))
    };
    Ok(Row {
        at: moment(at)?,
        context: count("ContextTokens", context)?,
        generated: count("GeneratedTokens", generated)?,
    })
}

/// `2023-11-16 18:17:03.9799600`, in UTC unless it says otherwise.
fn moment(text: &str) -> Result<Timestamp, String> {
    let zoned = text.ends_with('Z') || text.get(10..).is_some_and(|t| t.contains(['+', '-']));
    let full = format!("{}{}", text.replacen(' ', "T", 1), if zoned { "" } else { "Z" });
    full.parse().map_err(|_| format!("TIMESTAMP is `{text}`, which is no moment"))
}
