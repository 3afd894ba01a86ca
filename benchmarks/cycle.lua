-- What wrk sends: cycles of one submit and two polls of the job that the submit's answer names.
--   wrk -t1 … -s cycle.lua ORIGIN -- SUBMIT_PATH POLL_PATH BODY        ({id} in POLL_PATH stands for the job's id)
--
-- wrk does not tell a script which connection it is asked for. But every connection asks for its next request after it
-- had its answer, so each answer leaves the next step of its cycle in a queue and the next connection that is free
-- takes it: as many cycles are under way as there are connections, each strictly in turn.

local POLLS = 2

-- Globals, so that `done` can read them from the thread that counted.
not_200, without_id, unasked = 0, 0, 0
submits, polls, cycles = 0, 0, 0
-- wrk asks for one request before it starts, to look at it, and does not send it.
sent = -1

local submit, poll_head, poll_tail
local queue, first, last = {}, 1, 0
local polls_left = {}
local unanswered_submits = -1

function init(args)
  wrk.headers["Authorization"] = "Bearer bench"
  local poll = wrk.format("GET", args[2])
  local from, to = poll:find("{id}", 1, true)
  poll_head, poll_tail = poll:sub(1, from - 1), poll:sub(to + 1)
  wrk.headers["Content-Type"] = "application/json"
  submit = wrk.format("POST", args[1], nil, args[3])
end

function request()
  sent = sent + 1
  if first > last then
    unanswered_submits = unanswered_submits + 1
    return submit
  end
  local id = queue[first]
  queue[first] = nil
  first = first + 1
  return poll_head .. id .. poll_tail
end

function response(status, headers, body)
  if status ~= 200 then
    not_200 = not_200 + 1
    return
  end
  local id = body:match('"id"%s*:%s*"([^"]+)"')
  if not id then
    without_id = without_id + 1
    return
  end
  local left = polls_left[id]
  if left then
    polls = polls + 1
    left = left - 1
  else
    -- An id not seen before answers a submit, or else a poll was answered with somebody else's job.
    submits = submits + 1
    unanswered_submits = unanswered_submits - 1
    if unanswered_submits < 0 then unasked = unasked + 1 end
    left = POLLS
  end
  if left == 0 then
    polls_left[id] = nil
    cycles = cycles + 1
    return
  end
  polls_left[id] = left
  last = last + 1
  queue[last] = id
end

local thread

function setup(only_thread)
  assert(not thread, "cycle.lua counts in one thread: run wrk with -t1")
  thread = only_thread
end

function done(summary, latency, requests)
  local counts = {}
  for _, name in ipairs({"not_200", "without_id", "unasked", "sent", "submits", "polls", "cycles"}) do
    counts[#counts + 1] = ('"%s":%d'):format(name, thread:get(name))
  end
  for _, name in ipairs({"connect", "read", "write", "timeout"}) do
    counts[#counts + 1] = ('"%s_errors":%d'):format(name, summary.errors[name])
  end
  io.write(
    ('{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,%s}\n'):format(
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
      table.concat(counts, ",")
    )
  )
end
