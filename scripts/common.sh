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

# tree_of PRESET: the folder of build/ that it is built in, which has the name of the preset that
# configures it. The fuzz targets are linked from the objects of the asan build.
tree_of() {
  if [[ "$1" == fuzz ]]; then printf 'asan\n'; else printf '%s\n' "$1"; fi
}

# Compilations at a time; SLUICE_JOBS overrides the number of processors.
jobs_at_a_time() {
  printf '%s\n' "${SLUICE_JOBS:-$(nproc)}"
}
