//! What every repository begins with.

/// What a user's home has, on either side: a filter as `git lfs install` sets one up.
pub const HOME: &str = r#"
git config --global filter.shout.clean 'tr a-z A-Z'
git config --global filter.shout.smudge 'tr A-Z a-z'
git config --global advice.detachedHead false
"#;

/// Makes the first commits of an empty repository.
pub const BASE: &str = r#"
set -e
mkdir -p pool dir/deep bin
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
  for line in 1 2 3 4 5 6 7 8; do echo "file $i line $line"; done > pool/f$i
done
echo '#!/bin/sh' > bin/run
chmod +x bin/run
ln -s ../pool/f0 dir/link
echo deep > dir/deep/file
echo base > clash
echo x > becomes-dir
mkdir becomes-file
echo x > becomes-file/in
head -c 20000 /dev/urandom > data.bin
printf '*.stays\n*.carried\n' > .gitignore
printf '*.crlf text eol=crlf\n*.shout filter=shout\n' > .gitattributes
printf 'one\ntwo\n' > lines.crlf
echo quiet > voice.shout
git add -A
git commit -qm first
echo second >> pool/f0
git commit -qam second
"#;
