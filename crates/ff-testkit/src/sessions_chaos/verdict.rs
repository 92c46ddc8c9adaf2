//! Whether what clients were told is what is on disk. Pure.

use ff_protocol::session::JournalEntry;
use serde_json::Value;

use super::machine::Row;

/// What is wrong with what is on disk, and with what each client was told of it.
pub fn faults(disk: &[Row], clients: &[&[JournalEntry]]) -> Vec<String> {
    let mut faults = Vec::new();
    for (row, seq) in disk.iter().zip(1..) {
        if row.seq != seq {
            faults.push(format!("on disk entry {} is where {seq} is due", row.seq));
            break;
        }
    }
    for (client, entries) in clients.iter().enumerate() {
        let (told, there) = (entries.len(), disk.len());
        if told != there {
            faults.push(format!(
                "client {client} was told {told} entries of {there}"
            ));
        }
        let differing = entries
            .iter()
            .zip(disk)
            .find(|(entry, row)| !same(entry, row));
        if let Some((entry, row)) = differing {
            faults.push(format!(
                "client {client} was told entry {} as {:?} {}, on disk entry {} is {} {}",
                entry.seq, entry.kind, entry.payload, row.seq, row.kind, row.payload
            ));
        }
    }
    faults
}

fn same(entry: &JournalEntry, row: &Row) -> bool {
    let payload: Value = serde_json::from_str(&row.payload).unwrap_or_default();
    let kind = serde_json::to_value(entry.kind).unwrap_or_default();
    entry.seq == row.seq
        && kind == row.kind
        && entry.session_id.as_str() == row.session_id
        && entry.payload == payload
}

#[cfg(test)]
mod tests {
    use ff_protocol::SessionId;
    use ff_protocol::session::EntryKind;
    use serde_json::json;

    use super::*;

    fn row(seq: u64, text: &str) -> Row {
        Row {
            seq,
            kind: "user_message".into(),
            session_id: "s".into(),
            payload: json!({ "text": text }).to_string(),
        }
    }

    fn entry(seq: u64, text: &str) -> JournalEntry {
        JournalEntry {
            seq,
            session_id: "s"
                .parse::<SessionId>()
                .unwrap_or_else(|_| SessionId::generate()),
            kind: EntryKind::UserMessage,
            payload: json!({ "text": text }),
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn equal_and_gapless_is_right() {
        let disk = [row(1, "a"), row(2, "b")];
        let told = [entry(1, "a"), entry(2, "b")];
        assert_eq!(faults(&disk, &[&told, &told]), [""; 0]);
    }

    #[test]
    fn what_differs_is_told() {
        let disk = [row(1, "a"), row(2, "b")];
        let short = [entry(1, "a")];
        assert!(faults(&disk, &[&short])[0].contains("1 entries of 2"));
        let more = [entry(1, "a"), entry(2, "b"), entry(3, "c")];
        assert!(faults(&disk, &[&more])[0].contains("3 entries of 2"));
        let other = [entry(1, "a"), entry(2, "x")];
        assert!(faults(&disk, &[&other])[0].contains("was told entry 2"));
        let mut kind = [entry(1, "a"), entry(2, "b")];
        kind[0].kind = EntryKind::Status;
        assert!(faults(&disk, &[&kind])[0].contains("entry 1"));
        let gap = [row(1, "a"), row(3, "b")];
        assert!(faults(&gap, &[])[0].contains("entry 3 is where 2 is due"));
    }
}
