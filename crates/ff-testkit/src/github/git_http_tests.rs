use rstest::rstest;

use super::*;

#[rstest]
#[case("/o/r.git/info/refs", "/o/r.git/info/refs")]
#[case("/o/r/info/refs", "/o/r.git/info/refs")]
#[case("/o-1/r.s_t/info/refs", "/o-1/r.s_t.git/info/refs")]
fn advertisements_of_plain_names_are_taken(#[case] path: &str, #[case] path_info: &str) {
    let git = GitPath::parse(&Method::GET, path, Some("service=git-upload-pack")).unwrap();
    assert_eq!(git.path_info(), path_info);
    assert_eq!(git.query(), "service=git-upload-pack");
}

#[rstest]
#[case("/../r.git/git-upload-pack")]
#[case("/o/...git/git-upload-pack")]
#[case("/o/..%2fr/git-upload-pack")]
#[case("/o/x/../r/git-upload-pack")]
#[case("//r/git-upload-pack")]
#[case("/o/.git/git-upload-pack")]
#[case("/o/-r/git-upload-pack")]
#[case("/o/r/git-upload-archive")]
#[case("/o/r/HEAD")]
fn other_paths_are_refused(#[case] path: &str) {
    assert_eq!(GitPath::parse(&Method::POST, path, None), None);
}

#[test]
fn the_dumb_protocol_and_odd_queries_are_refused() {
    for query in [
        None,
        Some("service=git-upload-pack&x=1"),
        Some("service=sh"),
    ] {
        assert_eq!(GitPath::parse(&Method::GET, "/o/r/info/refs", query), None);
    }
}

#[tokio::test]
async fn the_cgi_header_is_read_up_to_the_empty_line() {
    let mut output = &b"Status: 404 Not Found\r\nCache-Control: no-cache\r\n\r\nrest"[..];
    let (status, headers) = read_header(&mut output).await.unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(output, b"rest");
    assert!(read_header(&mut &b"Status: 200"[..]).await.is_err());
}
