-- What wrk sends: cycles of one submit and two polls of the job that the submit's answer names.
--   wrk -t1 … -s cycle.lua ORIGIN -- SUBMIT_PATH SUBMIT_BODY SUBMIT_HEADERS POLL_PATH POLL_BODY POLL_HEADERS ID_KEY NAMED
-- {id} in POLL_PATH and POLL_BODY stands for the job's id, which answers name under ID_KEY. A POLL_BODY makes polls POST.
-- Headers are lines.
--
-- wrk does not tell a script which connection it is asked for. But every connection asks for its next request after it
-- had its answer, so each answer leaves the next step of its cycle in a queue and the next connection that is free
-- takes it: as many cycles are under way as there are connections, each strictly in turn.
--
-- Where polls' answers do not say which job they are about (NAMED is `no`), steps are taken in this order whoever asks:
-- submit, poll, poll, the polls of the id that was named last.

local POLLS = 2

-- Globals, so that `done` can read them from the thread that counted.
not_200, without_id, unasked = 0, 0, 0
submits, polls, cycles = 0, 0, 0
-- wrk asks for one request before it starts, to look at it, and does not send it.
sent = -1

local submit, poll, pattern, named
local queue, first, last = {}, 1, 0
local polls_left = {}
local unanswered_submits = -1
local newest

local function headers_of(lines)
  local headers = {}
  for name, value in lines:gmatch("([^:\n]+): ([^\n]*)") do headers[name] = value end
  return headers
end

-- A function from an id to the bytes of its poll.
local function poll_of(path, body, headers)
  if body ~= "" then
    return function(id) return wrk.format("POST", path, headers, (body:gsub("{id}", id))) end
  end
  local whole = wrk.format("GET", path, headers)
  local from, to = whole:find("{id}", 1, true)
  local head, tail = whole:sub(1, from - 1), whole:sub(to + 1)
  return function(id) return head .. id .. tail end
end

function init(args)
  submit = wrk.format("POST", args[1], headers_of(args[3]), args[2])
  poll = poll_of(args[4], args[5], headers_of(args[6]))
  pattern = '"' .. args[7] .. '"%s*:%s*"([^"]+)"'
  named = args[8] ~= "no"
end

function request()
  sent = sent + 1
  if not named then
    if sent % (1 + POLLS) == 0 or not newest then return submit end
    return poll(newest)
  end
  if first > last then
    unanswered_submits = unanswered_submits + 1
    return submit
  end
  local id = queue[first]
  queue[first] = nil
  first = first + 1
  return poll(id)
end

-- Answers are counted, a third of them as submits': which is which cannot be told.
local answers = 0

local function in_order(id)
  newest = id or newest
  answers = answers + 1
  cycles = math.floor(answers / (1 + POLLS))
  submits, polls = cycles, POLLS * cycles
end

function response(status, headers, body)
  if status ~= 200 then
    not_200 = not_200 + 1
    return
  end
  local id = body:match(pattern)
  if not named then return in_order(id) end
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
