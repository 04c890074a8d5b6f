-- Prints what wrk measured as one JSON line; wrk's own text has neither p99.9 nor errors of each kind.
-- Times are in microseconds. errors.status counts answers of 400 and above.
function done(summary, latency, requests)
  io.write(string.format(
    '\nWRK_JSON {"duration_us":%d,"requests":%d,"bytes":%d,' ..
    '"latency_us":{"mean":%.1f,"p50":%d,"p99":%d,"p99_9":%d,"max":%d},' ..
    '"errors":{"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}}\n',
    summary.duration, summary.requests, summary.bytes,
    latency.mean, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    summary.errors.status, summary.errors.connect, summary.errors.read, summary.errors.write,
    summary.errors.timeout))
end
