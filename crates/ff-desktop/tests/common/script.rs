//! A scripted CLI that speaks the real one's protocol, and notes what it is told.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::Desktop;

/// Answers each message by its first word, and enters it in its transcript. What it is told is
/// appended to `~/told`, its arguments to `~/args`, its pid to `~/pids`.
const CLI: &str = r#"#!/bin/bash
[[ $1 == auth ]] && exit 1
printf '%s\n' "$*" >> "$HOME/args"
echo $$ >> "$HOME/pids"
say() { printf '%s\n' "$1"; }
field() { [[ $2 =~ \"$1\":\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"; }
piece() { say "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"$1_delta\",\"$1\":\"$2\"}},\"parent_tool_use_id\":null}"; }
delta() { piece text "$1"; }
assistant() { say "{\"type\":\"assistant\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[$1]},\"parent_tool_use_id\":null}"; }
text() { assistant "{\"type\":\"text\",\"text\":\"$1\"}"; }
results() { say "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"$1\",\"is_error\":$2}]},\"tool_use_result\":$3,\"parent_tool_use_id\":null}"; }
result() { say "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":$2,\"result\":\"$1\",\"terminal_reason\":\"completed\",\"user_message_uuids\":[\"$current\"]}"; }
aborted() { say "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"errors\":[\"cut\"],\"terminal_reason\":\"aborted_streaming\",\"user_message_uuids\":[\"$current\"]}"; }
answer() { say "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"$(field request_id "$1")\",\"response\":{$2}}}"; }
[[ "$*" =~ --session-id\ ([^ ]+) ]] || [[ "$*" =~ --resume\ ([^ ]+) ]]
transcript="$HOME/.claude/projects/${PWD//[^a-zA-Z0-9]/-}/${BASH_REMATCH[1]}.jsonl"
keep() { mkdir -p "${transcript%/*}"; printf '{"type":"user","uuid":"%s","message":{}}\n' "$1" >> "$transcript"; }
asks() { say "{\"type\":\"control_request\",\"request_id\":\"$RANDOM\",\"request\":{\"subtype\":\"can_use_tool\",\"tool_name\":\"$1\",\"input\":$2,\"tool_use_id\":\"t\"}}"; }
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$HOME/told"
  case $line in
    *'"subtype":"initialize"'*)
      answer "$line" '"commands":[{"name":"cost","description":"what it cost"}],"models":[{"value":"opus","displayName":"Opus"}]' ;;
    *'"subtype":"interrupt"'*) answer "$line"; aborted ;;
    *'"type":"control_request"'*) answer "$line" ;;
    *'"type":"control_response"'*)
      case $line in
        *'"behavior":"allow"'*) results "it ran" false '{}'; text "It was allowed." ;;
        *) results "refused" true '"refused"'; text "It was refused." ;;
      esac
      result done false ;;
    *'"type":"user"'*)
      current=$(field uuid "$line")
      keep "$current"
      case $line in
        *FAIL*) result "the model is out" true ;;
        *LOGOUT*) if [[ -e $HOME/.claude/.credentials.json ]]; then
            text "Back again"
            result done false
          else
            say '{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"Not logged in"}]},"error":"authentication_failed"}'
            result "Not logged in · Please run /login" true
          fi ;;
        *"decision was awaited"*) asks Bash '{"command":"rm -r build"}' ;;
        *HANG*) delta "thinking" ;;
        *PERMIT*) asks Bash '{"command":"rm -r build"}' ;;
        *CHOOSE*) asks AskUserQuestion '{"questions":[{"question":"Which?","options":[{"label":"red"},{"label":"blue"}]}]}' ;;
        *PLAN*) asks ExitPlanMode '{"plan":"1. dig\n2. build"}' ;;
        *ESCAPE*)
          delta '\u001b]0;owned\u0007text'
          text '\u001b]0;owned\u0007text'
          result done false ;;
        *EDIT*)
          piece thinking "how about this"
          assistant '{"type":"tool_use","id":"t","name":"Edit","input":{"file_path":"a.txt"}}'
          results "changed" false '{"filePath":"a.txt","structuredPatch":[{"lines":[" same","-old line","+new line"]}]}'
          text "It is changed."
          result done false ;;
        *PAUSE*)
          delta "one "
          until [[ -e $HOME/go ]]; do read -rt 0.05 <> <(:); done
          delta "two "
          text "one two three"
          result done false ;;
        *)
          assistant '{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls -A"}}'
          delta "Hel"; delta "lo"
          text Hello
          result Hello false ;;
      esac ;;
  esac
done
"#;

impl Desktop {
    /// A desktop with a workspace `demo` and this CLI.
    pub fn with_cli() -> Self {
        let desktop = Self::with_workspace();
        let cli = desktop.path("bin/claude");
        std::fs::write(&cli, CLI).unwrap();
        std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).unwrap();
        desktop
    }

    /// Logs in to Claude.
    pub fn log_in(&self) {
        let dir = self.path("home/.claude");
        std::fs::create_dir_all(&dir).unwrap();
        let login = r#"{"claudeAiOauth":{"expiresAt":4000000000000}}"#;
        std::fs::write(dir.join("new"), login).unwrap();
        std::fs::rename(dir.join("new"), dir.join(".credentials.json")).unwrap();
    }

    /// The arguments of each start of the CLI.
    pub fn starts(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("home/args")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What the CLI was told so far.
    pub fn told(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("home/told")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Whether the CLI was told a message with this word.
    pub fn has_heard(&self, word: &str) -> bool {
        let messages = self.told().into_iter();
        let mut messages = messages.filter(|line| line["type"] == "user");
        messages.any(|line| line["message"].to_string().contains(word))
    }

    /// What the CLI was answered to its requests.
    pub fn decisions(&self) -> Vec<Value> {
        let answers = self.told().into_iter();
        answers
            .filter(|line| line["type"] == "control_response")
            .map(|line| line["response"]["response"].clone())
            .collect()
    }

    /// The CLI's processes that were ever started, and whether each lives.
    pub fn processes(&self) -> Vec<(String, bool)> {
        let text = std::fs::read_to_string(self.path("home/pids")).unwrap();
        // One that has ended may stay as a zombie until its new parent looks.
        let lives = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z"))
        };
        text.lines()
            .map(|pid| (pid.to_owned(), lives(pid)))
            .collect()
    }
}
