# shellcheck shell=bash
# Sourced by the other scripts: where the tree is, and how they say what they are doing.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export root

# step TEXT...: what happens now, with the time since the script began.
step() {
  printf '==> [%02d:%02d] %s\n' "$((SECONDS / 60))" "$((SECONDS % 60))" "$*"
}

# die TEXT...: why the script gives up.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Compilations at a time; SLUICE_JOBS overrides the number of processors.
jobs_at_a_time() {
  printf '%s\n' "${SLUICE_JOBS:-$(nproc)}"
}
