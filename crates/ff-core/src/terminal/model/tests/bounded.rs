//! Whatever comes, nothing breaks and nothing grows without end.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::stream::piece;
use super::{Counts, model, size};
use crate::terminal::model::parser::LONGEST_STRING;
use crate::terminal::model::{Limits, Model};

const MOST: usize = 16 << 20;
/// Less than is fed, and more than lines of 1 MiB with strings of 1 MiB need.
const FLOODED: usize = 5 << 19;

#[test]
fn fuzz_arbitrary_and_damaged_bytes() {
    let counts = Counts::default();
    let damage = (any::<Index>(), any::<u8>(), 0..4u8);
    let damaged = (vec(piece(), 1..60), vec(damage, 0..8)).prop_map(|(pieces, damage)| {
        let mut bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, bytes)| bytes).collect();
        for (at, byte, how) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                _ => drop(bytes.remove(at)),
            }
        }
        ("damaged", bytes)
    });
    let arbitrary = vec(any::<u8>(), 0..600).prop_map(|bytes| ("arbitrary", bytes));
    let escapes = vec(
        proptest::sample::select(b"\x1b[]P;:?>0123456789hlmHJKrSTLMb8c\x07\\x\n".to_vec()),
        0..600,
    )
    .prop_map(|bytes| ("escapes", bytes));
    let bytes = prop_oneof![damaged, arbitrary, escapes];
    let dimension = || prop_oneof![Just(0u16), Just(1), 2..40u16, Just(300)];
    let sizes = vec((dimension(), dimension()), 2);
    proptest!(ProptestConfig::with_cases(400), |((kind, bytes) in bytes, sizes in sizes)| {
        counts.add(kind);
        let mut model = Model::new(size(sizes[0].0, sizes[0].1), Limits::default());
        model.feed(&bytes);
        model.resize(size(sizes[1].0, sizes[1].1));
        model.feed(&bytes);
        prop_assert!(model.memory() < MOST, "{} bytes", model.memory());
        let (row, col) = model.cursor();
        let view = model.view();
        prop_assert!(row < view.len() && col < view[row].len());
        let redraw = model.redraw();
        let mut again = Model::new(size(sizes[1].0, sizes[1].1), Limits::default());
        again.feed(&redraw.screen);
        prop_assert_eq!(again.text(), model.text());
    });
    counts.told(
        "fuzz of the screen model",
        &["damaged", "arbitrary", "escapes"],
    );
}

/// Each of these, repeated, would fill the memory of a terminal that keeps it all.
#[test]
fn floods_stay_in_bounds() {
    let long = "x".repeat(1 << 16);
    let floods: Vec<(&str, String)> = vec![
        ("titles saved", "\x1b]2;some title\x07\x1b[22t".into()),
        ("long titles", format!("\x1b]2;{long}\x07\x1b[22t")),
        ("links", "\x1b]8;;http://host/%N\x07link".into()),
        (
            "long links",
            format!("\x1b]8;;http://%N{}\x07l", &long[..2000]),
        ),
        (
            "marks",
            "a\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}".into(),
        ),
        ("marks alone", "\u{301}\u{302}\u{303}".into()),
        ("keyboard flags", "\x1b[>5u".into()),
        ("an endless string", "more of it".into()),
        ("an endless line", format!("{long}   \x1b[41mred\x1b[m")),
        ("blanks", " ".repeat(4000)),
        ("lines", format!("{}\r\n", &long[..150])),
        (
            "colourful lines",
            (0..200)
                .map(|n| format!("\x1b[38;2;1;{n};3;48;5;{n}m字"))
                .collect::<String>()
                + "\r\n",
        ),
        ("palette", "\x1b]4;%N;rgb:11/22/33\x07".into()),
        ("params", format!("\x1b[{}m", "38;5;1;".repeat(9000))),
    ];
    for (name, flood) in floods {
        let limits = Limits {
            lines: 10_000,
            bytes: 1 << 20,
        };
        let mut model = Model::new(size(100, 30), limits);
        if name == "an endless string" {
            model.feed(b"\x1b]52;c;");
        }
        let times = (3 << 20) / flood.len().max(200);
        for number in 0..times {
            model.feed(flood.replace("%N", &number.to_string()).as_bytes());
        }
        println!("{name}: {} KiB", model.memory() / 1024);
        assert!(model.memory() < FLOODED, "{name}: {} bytes", model.memory());
        let redraw = model.redraw();
        let whole = redraw.screen.len() + redraw.scrollback.map_or(0, |bytes| bytes.len());
        assert!(whole < 4 << 20, "{name}: a redraw of {whole} bytes");
    }
}

#[test]
fn bad_input_terminal_sizes_and_floods_are_contained() {
    for (cols, rows) in [(0, 0), (1, 1), (2, 1), (u16::MAX, 1), (1, u16::MAX)] {
        let mut model = model(cols, rows, "wide 字 \x1b[999;999Hx\x1b#8".as_bytes());
        model.resize(size(0, u16::MAX));
        model.resize(size(80, 24));
        model.feed(b"\x1b[H\x1b[2Jstill here\xff\xfe");
        assert_eq!(model.text()[0], "still here\u{fffd}\u{fffd}");
    }
    let largest = model(u16::MAX, u16::MAX, b"\x1b[99999;99999Hx");
    assert_eq!(largest.cursor(), (1999, 1999));
    let mut model = model(80, 24, b"\x1b]0;");
    for _ in 0..LONGEST_STRING {
        model.feed(b"long ");
    }
    model.feed(b"\x07after");
    assert_eq!((model.title(), &*model.text()[0]), ("", "after"));
}
