-- One address, asked for again and again. wrk itself counts statuses and bytes: a script that looked at each answer
-- would copy it, and be slower than the servers. With a body after `--` it is a POST.

function init(args)
  if args[1] and args[1] ~= "" then
    wrk.method, wrk.body = "POST", args[1]
  end
end

function done(summary, latency, requests)
  local errors = {}
  for _, name in ipairs({"status", "connect", "read", "write", "timeout"}) do
    errors[#errors + 1] = ('"%s_errors":%d'):format(name, summary.errors[name])
  end
  io.write(
    ('{"requests":%d,"bytes":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,%s}\n'):format(
      summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
      table.concat(errors, ",")
    )
  )
end
