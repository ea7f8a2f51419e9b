# Sourced by scripts that run test projects: the sums of what xunit's runs print.
passed=0 failed=0 skipped=0

# add_results PROJECT LOG STATUS: adds a run. One without a summary is a failure, as is one that ends badly though no test failed.
add_results() {
  local summary bad
  # Total: 4, Errors: 0, Failed: 1, Skipped: 2, Not Run: 0, Time: 0.1s
  summary=$(grep -E '^ +[^ ]+  Total: [0-9]+' "$2" | tail -n 1 || true)
  if [ -z "$summary" ]; then
    echo "$1 ended with status $3 and no summary: counted as one failure." >&2
    failed=$((failed + 1))
    return
  fi
  # No test of this project is chosen.
  if [[ $summary =~ Total:\ 0$ ]] && [ "$3" -eq 0 ]; then return; fi
  count() { sed -E "s/.*$1: ([0-9]+).*/\1/" <<<"$summary"; }
  bad=$(($(count Failed) + $(count Errors)))
  # A run that reports no failure and still ends badly (a crash while it shuts down) must not pass.
  if [ "$3" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  failed=$((failed + bad))
  skipped=$((skipped + $(count Skipped) + $(count 'Not Run')))
  passed=$((passed + $(count Total) - $(count Failed) - $(count Skipped) - $(count 'Not Run')))
}

# Says the sums on the last line; the exit status is 0 only if nothing failed.
print_results() {
  printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ]
}
