//! Byte streams made by the grammar of terminals.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A piece of a stream and the name of its kind.
pub(super) type Piece = (&'static str, Vec<u8>);

/// What happens to a terminal.
#[derive(Clone)]
pub(super) enum Event {
    /// Bytes are written.
    Bytes(Piece),
    /// The size changes.
    Resize(u16, u16),
}

impl fmt::Debug for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes((kind, bytes)) => {
                let shown = String::from_utf8_lossy(bytes);
                write!(out, "{kind} {}", shown.escape_debug())
            }
            Self::Resize(cols, rows) => write!(out, "resize {cols}x{rows}"),
        }
    }
}

/// A whole life of a terminal.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) size: (u16, u16),
    pub(super) lines: usize,
    pub(super) events: Vec<Event>,
}

fn dimensions() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        6 => (2..24u16, 2..9u16),
        1 => (1..4u16, 1..4u16),
        1 => Just((80, 24)),
    ]
}

/// Lives with `resizes` in ten thousand of the events.
pub(super) fn life(resizes: u32) -> impl Strategy<Value = Life> {
    let event = prop_oneof![
        10_000 - resizes => piece().prop_map(Event::Bytes),
        resizes => dimensions().prop_map(|(cols, rows)| Event::Resize(cols, rows)),
    ];
    let lines = prop_oneof![4 => 3..40usize, 1 => Just(0)];
    (dimensions(), lines, vec(event, 1..40)).prop_map(|(size, lines, events)| Life {
        size,
        lines,
        events,
    })
}

fn text(text: String) -> Vec<u8> {
    text.into_bytes()
}

/// One piece of any kind.
pub(super) fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        10 => words(),
        8 => control(),
        18 => csi(),
        9 => sgr(),
        8 => modes(),
        6 => escape(),
        4 => osc(),
        2 => other_strings(),
        2 => odd(),
    ]
}

fn kind<S>(name: &'static str, strategy: S) -> BoxedStrategy<Piece>
where
    S: Strategy<Value = String> + 'static,
{
    strategy.prop_map(move |made| (name, text(made))).boxed()
}

fn words() -> impl Strategy<Value = Piece> {
    prop_oneof![
        3 => kind("ascii", "[ -~]{1,30}"),
        1 => kind("short ascii", "[a-z#]{1,3}"),
        2 => kind("wide", "[界字가漢あ😀ｗ]{1,9}"),
        1 => kind("wide and narrow", "[a字 b漢c]{1,24}"),
        2 => kind("combining", "([ae字 ]|\u{301}|\u{308}|\u{200d}|\u{fe0f}){1,14}"),
        1 => kind("latin", "[äßøж─│é]{1,12}"),
    ]
}

fn control() -> impl Strategy<Value = Piece> {
    prop_oneof![
        6 => kind("line break", Just("\r\n".into())),
        1 => kind("line breaks", Just("\r\n\n\n\n\n".into())),
        2 => kind("c0", select(vec!["\n", "\r", "\t", "\x08", "\x0b", "\x07"]).prop_map(str::to_owned)),
        1 => kind("shift", select(vec!["\x0e", "\x0f"]).prop_map(str::to_owned)),
    ]
}

fn small() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 0..12u16, 2 => 12..30u16, 1 => Just(u16::MAX)]
}

fn csi() -> impl Strategy<Value = Piece> {
    prop_oneof![
        2 => kind("position", (small(), small()).prop_map(|(row, col)| format!("\x1b[{row};{col}H"))),
        1 => kind("right edge", (small(), "[a字]{1,2}").prop_map(|(row, text)| format!("\x1b[{row};999H{text}"))),
        3 => kind("move", (small(), select(b"ABCDEFGZIade`f".to_vec()))
            .prop_map(|(n, by)| format!("\x1b[{n}{}", char::from(by)))),
        3 => kind("edit", (small(), select(b"@PXLM".to_vec()))
            .prop_map(|(n, by)| format!("\x1b[{n}{}", char::from(by)))),
        2 => kind("erase", (0..4u16, select(b"JK".to_vec()))
            .prop_map(|(n, by)| format!("\x1b[{n}{}", char::from(by)))),
        2 => kind("scroll", (small(), select(b"ST".to_vec()))
            .prop_map(|(n, by)| format!("\x1b[{n}{}", char::from(by)))),
        2 => kind("region", (small(), small()).prop_map(|(top, bottom)| format!("\x1b[{top};{bottom}r"))),
        1 => kind("repeat", ("[a字q─]", small()).prop_map(|(c, n)| format!("{c}\x1b[{}b", n.min(40)))),
        1 => kind("tab stops", select(vec!["\x1b[3g", "\x1b[g", "\x1b[4G\x1bH", "\x1bH"]).prop_map(str::to_owned)),
        1 => kind("title stack", (22..24u16, 0..3u16).prop_map(|(n, which)| format!("\x1b[{n};{which}t"))),
        1 => kind("keyboard", (select(vec!['>', '<', '=']), 0..32u16, 1..4u16)
            .prop_map(|(mark, flags, how)| match mark {
                '=' => format!("\x1b[={flags};{how}u"),
                '<' => format!("\x1b[<{how}u"),
                _ => format!("\x1b[>{flags}u"),
            })),
        1 => kind("cursor shape", (0..8u16).prop_map(|shape| format!("\x1b[{shape} q"))),
        1 => kind("other keys", (0..4u16).prop_map(|n| format!("\x1b[>4;{n}m"))),
        1 => kind("soft reset", Just("\x1b[!p".into())),
        1 => kind("unknown csi", ("[<=>?]?", small(), "[ !$]?", "[@-~]")
            .prop_map(|(mark, n, mid, by)| format!("\x1b[{mark}{n}{mid}{by}"))),
    ]
}

fn sgr() -> impl Strategy<Value = Piece> {
    let one = prop_oneof![
        4 => select(vec!["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "53"]).prop_map(str::to_owned),
        2 => select(vec!["21", "22", "23", "24", "25", "27", "28", "29", "39", "49", "55", "59"]).prop_map(str::to_owned),
        3 => (select(vec![30u16, 40, 90, 100]), 0..8u16).prop_map(|(base, n)| (base + n).to_string()),
        2 => (select(vec![38u16, 48, 58]), any::<u8>()).prop_map(|(what, n)| format!("{what};5;{n}")),
        2 => (select(vec![38u16, 48, 58]), any::<[u8; 3]>())
            .prop_map(|(what, [r, g, b])| format!("{what};2;{r};{g};{b}")),
        1 => (select(vec![38u16, 48, 58]), any::<[u8; 3]>())
            .prop_map(|(what, [r, g, b])| format!("{what}:2::{r}:{g}:{b}")),
        1 => (0..6u16).prop_map(|n| format!("4:{n}")),
    ];
    kind(
        "attributes",
        vec(one, 1..4).prop_map(|params| format!("\x1b[{}m", params.join(";"))),
    )
}

fn modes() -> impl Strategy<Value = Piece> {
    let known = vec![
        1, 5, 6, 7, 9, 12, 25, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047,
        1048, 1049, 2004, 2026, 2031, 2048u16,
    ];
    let on = || select(vec!['h', 'l']);
    prop_oneof![
        4 => kind("private mode", (select(known), on()).prop_map(|(n, on)| format!("\x1b[?{n}{on}"))),
        2 => kind("alternate screen", on().prop_map(|on| format!("\x1b[?1049{on}"))),
        1 => kind("ansi mode", (select(vec![4, 20]), on()).prop_map(|(n, on)| format!("\x1b[{n}{on}"))),
        1 => kind("origin mode", on().prop_map(|on| format!("\x1b[?6{on}"))),
    ]
}

fn escape() -> impl Strategy<Value = Piece> {
    let plain = vec![
        "\x1bD", "\x1bE", "\x1bM", "\x1b=", "\x1b>", "\x1b[s", "\x1b[u",
    ];
    prop_oneof![
        3 => kind("saved cursor", select(vec!["\x1b7", "\x1b8"]).prop_map(str::to_owned)),
        2 => kind("escape", select(plain).prop_map(str::to_owned)),
        2 => kind("charset", ("[()*+]", "[0AB@]").prop_map(|(slot, by)| format!("\x1b{slot}{by}"))),
        1 => kind("locking shift", select(vec!["\x1bn", "\x1bo", "\x0e"]).prop_map(str::to_owned)),
        1 => kind("single shift", select(vec!["\x1bN", "\x1bO"]).prop_map(str::to_owned)),
        1 => kind("reset or align", select(vec!["\x1bc", "\x1b#8"]).prop_map(str::to_owned)),
    ]
}

fn osc() -> impl Strategy<Value = Piece> {
    let end = || select(vec!["\x07", "\x1b\\"]);
    prop_oneof![
        2 => kind("title", (0..3u16, "[ -~é]{0,12}", end()).prop_map(|(n, text, end)| format!("\x1b]{n};{text}{end}"))),
        2 => kind("link", ("[a-z=]{0,4}", "(https://[a-z/]{1,9})?", end())
            .prop_map(|(with, to, end)| format!("\x1b]8;{with};{to}{end}"))),
        1 => kind("palette", (any::<u8>(), "#[0-9a-f]{6}", end()).prop_map(|(n, to, end)| format!("\x1b]4;{n};{to}{end}"))),
        1 => kind("colours", (10..20u16, "(#[0-9a-f]{6}|\\?)(;blue)?", end()).prop_map(|(n, to, end)| format!("\x1b]{n};{to}{end}"))),
        1 => kind("colours back", (select(vec![104u16, 110, 111, 112, 119]), end()).prop_map(|(n, end)| format!("\x1b]{n}{end}"))),
        1 => kind("other osc", ("[0-9a-z]{1,3};[ -~é]{0,9}", end()).prop_map(|(text, end)| format!("\x1b]{text}{end}"))),
    ]
}

fn other_strings() -> impl Strategy<Value = Piece> {
    kind(
        "dcs, apc, pm, sos",
        ("[PX^_]", "[ -~]{0,12}").prop_map(|(by, text)| format!("\x1b{by}{text}\x1b\\")),
    )
}

/// Sequences that are cut short, cancelled or no sequences at all.
fn odd() -> impl Strategy<Value = Piece> {
    prop_oneof![
        kind(
            "control in a sequence",
            ("[\n\r\t]", small()).prop_map(|(c, n)| format!("\x1b[{n}{c}A"))
        ),
        kind(
            "cancelled",
            ("[\x18\x1a]", small()).prop_map(|(c, n)| format!("\x1b[{n}{c}"))
        ),
        kind(
            "begun",
            select(vec![
                "\x1b",
                "\x1b[1",
                "\x1b]0;ti",
                "\x1bP1",
                "\x1b(",
                "\x1b[<?"
            ])
            .prop_map(str::to_owned)
        ),
        kind("malformed", "\x1b\\[[0-9;:<=>? !]{2,9}[a-zA-Z]"),
        vec(any::<u8>(), 1..6)
            .prop_map(|bytes| ("arbitrary bytes", bytes))
            .boxed(),
    ]
}
