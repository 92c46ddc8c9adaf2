//! Cases with a known outcome.

use super::super::style::Color;
use super::{model, size};

#[test]
fn text_wraps_and_scrolls_into_the_kept_lines() {
    let model = model(5, 2, b"abcdefgh\r\nxy\r\nz");
    assert_eq!(model.text(), ["xy", "z"]);
    assert_eq!(model.scrollback_lines(), 1);
    let redraw = String::from_utf8(model.redraw().scrollback.unwrap()).unwrap();
    assert!(redraw.contains("\x1b[Habcdefgh\r\nxy\r\nz"), "{redraw:?}");
}

#[test]
fn a_wrap_waits_for_the_next_character() {
    let mut model = model(4, 2, b"abcd");
    assert_eq!(model.cursor(), (0, 3));
    model.feed(b"\x1b[Ke");
    assert_eq!(model.text(), ["abcd", "e"]);
}

#[test]
fn wide_characters_do_not_split() {
    let mut model = model(4, 2, "a字b字".as_bytes());
    assert_eq!(model.text(), ["a字b", "字"]);
    model.feed(b"\x1b[1;3Hx");
    assert_eq!(model.text()[0], "a xb");
    model.feed("\x1b[2;1H\u{301}e\u{301}".as_bytes());
    assert_eq!(model.text()[1], "e\u{301}");
}

#[test]
fn the_alternate_screen_hides_the_primary_one() {
    let mut model = model(10, 3, b"shell\r\n\x1b[?1049h\x1b[Hvim");
    assert_eq!(model.text(), ["vim", "", ""]);
    model.feed(b"\x1b[?1049l$");
    assert_eq!(model.text(), ["shell", "$", ""]);
}

#[test]
fn lines_are_drawn_with_the_special_characters() {
    let model = model(10, 1, b"\x1b(0lqk\x1b(Blqk\x0e\x1b)0x\x0fx");
    assert_eq!(model.text(), ["┌─┐lqk│x"]);
}

#[test]
fn a_narrower_screen_wraps_its_lines_anew_and_back() {
    let mut model = model(10, 4, b"0123456789abc\r\n$ ");
    model.resize(size(5, 4));
    assert_eq!(model.text(), ["01234", "56789", "abc", "$"]);
    assert_eq!(model.cursor(), (3, 2));
    model.resize(size(20, 4));
    assert_eq!(model.text(), ["0123456789abc", "$", "", ""]);
    assert_eq!(model.cursor(), (1, 2));
}

#[test]
fn colours_are_those_asked_for() {
    let model = model(10, 1, b"\x1b[31;48;5;200;1ma\x1b[38:2::1:2:3;4:3mb\x1b[0mc");
    let row = &model.view()[0];
    assert_eq!(row[0].style.foreground, Color::indexed(1));
    assert_eq!(row[0].style.background, Color::indexed(200));
    assert_eq!(row[1].style.foreground, Color::rgb(1, 2, 3));
    assert_eq!(row[1].style.underline, 3);
    assert_eq!(row[2].style, Default::default());
}

#[test]
fn strings_in_use_are_kept_when_others_are_dropped() {
    let mut model = model(
        10,
        2,
        b"\x1b]8;;http://saved\x07\x1b7\x1b]8;;http://pen\x07",
    );
    for mark in '\u{300}'..'\u{360}' {
        for letter in 'a'..='z' {
            model.feed(format!("{letter}{mark}\x1b[2G").as_bytes());
        }
    }
    assert_eq!(model.text()[0].chars().nth(2), Some('z'));
    let redraw = String::from_utf8(model.redraw().screen).unwrap();
    assert!(
        redraw.contains("\x1b]8;;http://saved\x1b\\\x1b7"),
        "{redraw:?}"
    );
    assert!(
        redraw.contains("\x1b]8;;http://pen\x1b\\\x1b[?2026l"),
        "{redraw:?}"
    );
}
