use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use axum::extract::Query;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const MAX_OPEN: usize = 100;
/// A SHA-256 in base64.
const CHALLENGE: usize = 43;

/// Logins that were granted in the browser and are not fetched yet: by code, the challenge
/// (RFC 7636, S256) each is bound to.
#[derive(Default)]
pub(super) struct Open(Mutex<HashMap<String, String>>);

impl Open {
    /// What a user does in a browser: opens the address that the CLI shows, grants the login, and is
    /// shown a code to paste.
    pub(super) fn grant(&self, address: &str) -> Result<String> {
        let uri: Uri = address.trim().parse().context("no address")?;
        ensure!(uri.path() == "/oauth/authorize", "no way to a login");
        let challenge = challenge(&uri).context("no challenge")?;
        let code = Uuid::new_v4().simple().to_string();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(open.len() < MAX_OPEN, "too many logins are open");
        open.insert(code.clone(), challenge);
        Ok(format!("{code}#{}", Uuid::new_v4().simple()))
    }

    /// Whether a code is good for who shows the verifier of its challenge. It is used up.
    pub(super) fn redeem(&self, asked: &Value) -> bool {
        let text = |name: &str| asked[name].as_str().unwrap_or_default();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(challenge) = open.remove(text("code")) else {
            return false;
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier"))) == challenge
    }
}

/// The CLI 2.1.330 shows a short address, whose whole query is `z-` and the challenge; others
/// show OAuth's own.
fn challenge(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    if let Some(short) = query.strip_prefix("z-") {
        return (short.len() == CHALLENGE).then(|| short.to_owned());
    }
    let Query(asked) = Query::<HashMap<String, String>>::try_from_uri(uri).ok()?;
    let known = asked.get("code_challenge_method")? == "S256";
    asked.get("code_challenge").filter(|_| known).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Challenge and verifier of RFC 7636, appendix B.
    const CHALLENGED: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn a_code_is_good_once_and_only_with_its_verifier() {
        let open = Open::default();
        let at = "https://claude.ai/oauth/authorize";
        let addresses = [
            format!("{at}?z-{CHALLENGED}"),
            format!(
                "{at}?code=true&state=s&code_challenge={CHALLENGED}&code_challenge_method=S256"
            ),
        ];
        let shown = |code: &str, verifier: &str| json!({"code": code, "code_verifier": verifier});
        for address in addresses {
            let code = |paste: String| paste.split_once('#').unwrap().0.to_owned();
            let first = code(open.grant(&address).unwrap());
            assert!(open.redeem(&shown(&first, VERIFIER)));
            assert!(!open.redeem(&shown(&first, VERIFIER)), "it was good twice");
            let second = code(open.grant(&address).unwrap());
            assert!(!open.redeem(&shown(&second, "another")));
        }
        for address in [
            "",
            "https://claude.ai/",
            &format!("{at}?z-short"),
            &format!("{at}?state=s"),
        ] {
            assert!(open.grant(address).is_err(), "{address}");
        }
    }
}
