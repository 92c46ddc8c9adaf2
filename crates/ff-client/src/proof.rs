//! The agent's proof of identity.

use ff_protocol::VmId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Secret;

/// What an agent that holds `token` answers to `nonce`:
/// `hex(HMAC-SHA256(token, "ff-agent-hello\n" + vm id + "\n" + nonce))`, the key being the
/// token's ASCII text.
pub fn proof(token: &Secret, vm_id: &VmId, nonce: &str) -> String {
    hex::encode(mac(token, vm_id, nonce).finalize().into_bytes())
}

/// Whether `given` is that proof, compared in constant time.
pub fn verify(token: &Secret, vm_id: &VmId, nonce: &str, given: &str) -> bool {
    hex::decode(given).is_ok_and(|given| mac(token, vm_id, nonce).verify_slice(&given).is_ok())
}

fn mac(token: &Secret, vm_id: &VmId, nonce: &str) -> Hmac<Sha256> {
    let key = token.expose().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    for piece in ["ff-agent-hello\n", vm_id.as_str(), "\n", nonce] {
        mac.update(piece.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_binds_token_vm_and_nonce() {
        let (token, vm) = (Secret::new("secret"), "vm-1".parse::<VmId>().unwrap());
        let given = proof(&token, &vm, "00ff");
        // `printf 'ff-agent-hello\nvm-1\n00ff' | openssl dgst -sha256 -hmac secret`
        assert_eq!(
            given,
            "02e54b9b536a28dd8d531c61e15f53c6175ddf78e2d6a030503a30f439cde1a6"
        );
        assert!(verify(&token, &vm, "00ff", &given));
        assert!(!verify(&Secret::new("other"), &vm, "00ff", &given));
        assert!(!verify(&token, &"vm-2".parse().unwrap(), "00ff", &given));
        assert!(!verify(&token, &vm, "00fe", &given));
        assert!(!verify(&token, &vm, "00ff", "no hex"));
        assert!(!verify(&token, &vm, "00ff", &given[..32]));
    }
}
