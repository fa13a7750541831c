//! Tests of reading invoices: the forms that providers export, and errors in a file.

use std::fs::File;
use std::io::Write;

use bursar::Usd;
use bursar_cli::{Columns, Figures, Invoice, InvoiceError};

/// An export that was invented here, in the form of the real ones.
pub(crate) fn fixture(name: &str) -> File {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/invoices");
    File::open(std::path::Path::new(folder).join(name)).unwrap()
}

fn shown(figures: &Figures) -> String {
    let count = |count: Option<i64>| count.map_or("-".to_owned(), |count| count.to_string());
    let cost = figures.cost.map_or("-".to_owned(), |cost| cost.exact().to_string());
    let Figures { requests, input_tokens, cached_tokens, output_tokens, .. } = *figures;
    let counts = [requests, input_tokens, cached_tokens, output_tokens].map(count);
    format!("{} {cost}", counts.join(" "))
}

/// A line for each: day, model, requests, input, cached, output, cost.
fn lines(invoice: &Invoice) -> Vec<String> {
    let line = |(day, model, figures)| format!("{day} {model}: {}", shown(figures));
    invoice.lines().map(line).collect()
}

fn days(invoice: &Invoice) -> String {
    invoice.days().map_or("none".to_owned(), |(first, last)| format!("{first} {last}"))
}

#[test]
fn each_provider_is_recognised_by_its_header() {
    let read = |name| Invoice::read(fixture(name)).unwrap();

    let usage = read("openai-usage.csv");
    assert_eq!(usage.source(), "OpenAI's usage export");
    assert_eq!(
        lines(&usage),
        [
            "2026-11-24 gpt-6.1-terra-2026-09-01: 3 4000 1000 600 -", // two rows, two keys
            "2026-11-25 gpt-6-luna: 1 8000 0 100 -",
        ]
    );
    assert_eq!(days(&usage), "2026-11-24 2026-11-26", "a day without use is covered too");

    let costs = read("openai-costs.csv");
    assert_eq!(costs.source(), "OpenAI's cost export");
    assert_eq!(
        lines(&costs),
        [
            "2026-11-24 gpt-6.1-terra-2026-09-01: - - - - 0.01",
            "2026-11-24 web search tool calls: - - - - 0.02",
        ]
    );
    assert_eq!(days(&costs), "2026-11-23 2026-11-24");

    let by_day = read("openai-costs-by-day.csv");
    let expected = ["2026-11-24 : - - - - 0.895874", "2026-11-26 : - - - - 0.56177125"];
    assert_eq!(lines(&by_day), expected);

    let usage = read("anthropic-usage.csv");
    assert_eq!(usage.source(), "Anthropic's usage export");
    assert_eq!(
        lines(&usage),
        [
            "2026-11-24 claude-haiku-4-5-20251001: - 63481 500 16932 -",
            "2026-11-24 claude-opus-4-1-20250805: - 10 0 20 -",
        ]
    );

    let costs = read("anthropic-costs.csv");
    assert_eq!(costs.source(), "Anthropic's cost export");
    let expected = ["2026-11-24 : - - - - 0.03", "2026-11-24 claude-haiku-4-5: - - - - 0.13"];
    assert_eq!(lines(&costs), expected);

    let activity = read("openrouter-activity.csv");
    assert_eq!(activity.source(), "OpenRouter's activity export");
    assert_eq!(
        lines(&activity),
        [
            "2026-11-24 anthropic/claude-opus-4.8-20260528: - 10389 9000 137 0.0123",
            "2026-11-25 openai/gpt-oss-120b: - 100 0 50 0.000015",
        ]
    );
}

#[test]
fn any_other_form_is_read_by_the_columns_that_are_named() {
    let csv = "Day;\u{feff}x\n".replace(';', ",");
    let columns = Columns::new("Day").model("x");
    assert!(Invoice::read_columns(csv.as_bytes(), &columns).is_err(), "a BOM inside is a letter");

    // As spreadsheets save it: a BOM, CRLF, quotes, a comma and a line break in a cell, blanks around cells.
    let csv = "\u{feff}When,Who,\"Cost, net\",Cur,In,Cached,Out,Thought,Calls\r\n\
               2026-11-24T00:30:00+08:00, m ,0.25,EUR,,,,,\r\n";
    let columns = Columns::new("When")
        .model("Who")
        .cost("Cost, net")
        .currency("Cur")
        .input("In")
        .input("Cached")
        .cached("Cached")
        .output("Out")
        .output("Thought")
        .requests("Calls")
        .provider("acme");
    let euros = Invoice::read_columns(csv.as_bytes(), &columns).unwrap_err();
    let sentence = "line 2 of the invoice, column `Cur`: `EUR` is not `usd`, and a ledger counts in US dollars; \
                    convert the amounts first";
    assert_eq!(euros.to_string(), sentence);
    let csv = csv.replace("EUR,,,,,", "Usd,10,4,5,\"1\",2");
    let csv =
        csv + "\"2026-11-23\",\"m\",1e-3,usd,1,,,,1\r\n2026-11-23,\"a, \"\"b\"\"\nc\",,,7,,,,\r\n";
    let invoice = Invoice::read_columns(csv.as_bytes(), &columns).unwrap();
    let expected = ["2026-11-23 a, \"b\"\nc: 0 7 0 0 0", "2026-11-23 m: 3 15 4 6 0.251"];
    assert_eq!(lines(&invoice), expected);
}

#[test]
fn what_is_wrong_is_named_by_line_column_and_value() {
    let anthropic = |row: &str| {
        let header = "\nusage_date_utc,model,token_type,cost_usd\r\n\r\n";
        Invoice::read(format!("{header}\r\n2026-11-24,\"a\nb\",output,1\n{row}\n").as_bytes())
    };
    for (row, sentence) in [
        (
            "2026-11-24,m,output,\"1,234.50\"",
            "line 7 of the invoice, column `cost_usd`: `1,234.50` has a comma; write numbers without thousands \
             separators and with a decimal point, such as `1234.5`",
        ),
        (
            "2026-11-24,m,output,1.2.3",
            "line 7 of the invoice, column `cost_usd`: `1.2.3` is no amount; an amount is written `12.5`, `$12.50` \
             or `1.25e-5`",
        ),
        (
            "24.11.2026,m,output,1",
            "line 7 of the invoice, column `usage_date_utc`: `24.11.2026` is no day; a day is written `2026-11-24`, a \
             moment `2026-11-24T09:30:00Z` or in seconds since 1970",
        ),
        (
            "2026-11-24,m",
            "line 7 of the invoice: it has 2 cells and the header 4; is the file whole?",
        ),
        (
            "2026-11-24,\"a\nb\",output,150000000000000000000000000",
            "line 9 of the invoice, column `cost_usd`: `150000000000000000000000000` makes the sum of its day and model \
             larger than any amount can be",
        ),
    ] {
        let result = anthropic(row).and_then(|_| {
            // A second one of the largest amounts is too much.
            anthropic(&format!("{row}\n{row}"))
        });
        let told = result.unwrap_err().to_string();
        assert_eq!(told, sentence, "{row}");
    }
    let counts = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_output_tokens\n\
                  2026-11-24,m,\"46,981\",1\n";
    let error = Invoice::read(counts.as_bytes()).unwrap_err();
    let InvoiceError::Cell { line: 2, column, value, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**column, &**value), ("usage_input_tokens_no_cache", "46,981"));
    let latin =
        [b"usage_date_utc,model,token_type,cost_usd\n2026-11-24,caf\xe9,output,1\n".as_slice()];
    let error = Invoice::read(latin[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2 of the invoice: it is no UTF-8; save the file as CSV in UTF-8"
    );
}

#[test]
fn a_header_that_is_not_known_lists_what_it_has_and_names_the_remedy() {
    let error = Invoice::read("Datum;Modell;Kosten\n24.11.2026;m;1,5\n".as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the invoice has a header that is not known (`Datum;Modell;Kosten`); name its columns with `Columns` and \
         read it with `Invoice::read_columns`"
    );
    let error = Invoice::read("a,b\n".as_bytes()).unwrap_err();
    assert!(
        matches!(&error, InvoiceError::UnknownHeader { seen } if seen == &["a", "b"]),
        "{error:?}"
    );

    let read = |csv: &str, columns| Invoice::read_columns(csv.as_bytes(), &columns).unwrap_err();
    let missing = read("Day,Cost\n", Columns::new("Day").cost("Price"));
    assert_eq!(missing.to_string(), "the invoice has no column `Price`; it has `Day`, `Cost`");
    let twice = read("Day,Cost,Cost\n", Columns::new("Day").cost("Cost"));
    assert_eq!(twice.to_string(), "the invoice has two columns `Cost`; rename one of them");
}

#[test]
fn a_file_without_rows_says_nothing_and_one_without_a_header_is_refused() {
    for empty in ["", "\n\n", "\u{feff}"] {
        let error = Invoice::read(empty.as_bytes()).unwrap_err();
        assert!(matches!(error, InvoiceError::Empty), "{empty:?}: {error:?}");
    }
    let header = "usage_date_utc,model,token_type,cost_usd";
    let invoice = Invoice::read(header.as_bytes()).unwrap();
    assert_eq!((invoice.lines().count(), invoice.days()), (0, None));
    let nothing = invoice.compare([]).unwrap();
    assert!(nothing.agrees() && nothing.rows.is_empty() && nothing.correction() == Usd::ZERO);
    assert!(nothing.to_string().contains("no day"), "{nothing}");
    let covering = invoice.covering("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
    assert_eq!(days(&covering), "2026-11-01 2026-11-30");
}

/// A month of a gateway's single calls: what is kept are sums.
#[test]
fn a_hundred_thousand_rows_take_the_memory_of_a_thousand() {
    let file = |rows: u64| {
        let mut csv = Vec::from(
            &b"generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug\n"[..],
        );
        for row in 0..rows {
            let (day, model) = (1 + row % 30, row % 5);
            writeln!(csv, "gen-{row},2026-11-{day:02} 12:00:00.0,0.000001,10,2,acme/owl-{model}")
                .unwrap();
        }
        csv
    };
    let most = |csv: &[u8]| {
        let mut sum = (0, 0, Usd::ZERO);
        let memory = allocation_counter::measure(|| {
            let invoice = Invoice::read(csv).unwrap();
            for (_, _, figures) in invoice.lines() {
                sum.0 += 1;
                sum.1 += figures.input_tokens.unwrap();
                sum.2 = sum.2.checked_add(figures.cost.unwrap()).unwrap();
            }
        });
        (sum, memory.bytes_max)
    };
    let (few, many) = (most(&file(1_000)), most(&file(100_000)));
    assert_eq!(many.0, (30, 1_000_000, Usd::cents(10)));
    assert_eq!(few.0, (30, 10_000, Usd::from_pico(1_000_000_000)));
    assert!(many.1 <= few.1 + 4_096, "{} bytes at most, {} for a few rows", many.1, few.1);
}

#[test]
fn an_error_has_its_cause_in_its_sentence() {
    use bursar::journal::JournalError;
    use bursar_cli::ExportError;
    let io = || std::io::Error::other("the cable is out");
    let errors: [(Box<dyn std::error::Error>, &str); 3] = [
        (InvoiceError::from(io()).into(), "the cable is out"),
        (ExportError::from(io()).into(), "the cable is out"),
        (ExportError::from(JournalError::new("the disk is full")).into(), "the disk is full"),
    ];
    for (error, cause) in errors {
        assert!(error.to_string().contains(cause), "{error}");
        assert!(error.source().is_none(), "{error} is repeated by its source");
    }
}
