# /etc/profile sets PATH anew in login shells.
PATH="$HOME/.local/bin:$HOME/.npm-global/bin:$PATH"
