-- A job as it is kept: what it is lies in `base`, which only Python reads; beside it what decides its timeline, and its
-- marks.

local QUEUED, RUNNING, SUCCEEDED, FAILED = 0, 1, 2, 3

function load(id)
  local kept = call('HMGET', at('job:' .. id), 'provider', 'order', 'submitted', 'queue_time', 'run_time', 'held',
    'starts', 'ends', 'final', 'price', 'hook', 'weight')
  if not kept[1] then return nil end
  return {
    id = id, provider = kept[1], order = tonumber(kept[2]), submitted = tonumber(kept[3]),
    queue_time = tonumber(kept[4]), run_time = tonumber(kept[5]), held = tonumber(kept[6]),
    starts = tonumber(kept[7]), ends = tonumber(kept[8]), final = tonumber(kept[9]), price = tonumber(kept[10]),
    hook = kept[11] ~= '' and kept[11], weight = tonumber(kept[12]),
  }
end

local function phase_of(job, now)
  if job.ends and now >= job.ends then return job.final end
  if job.starts and now >= job.starts then return RUNNING end
  return QUEUED
end

local function retime(job)
  job.starts = job.queue_time and job.held and job.submitted + job.queue_time + job.held or nil
  job.ends = job.starts and job.run_time and job.starts + job.run_time or nil
end
