-- When jobs start where only so many may run at once: queueing.schedule, step for step.

local function sift(heap, value)
  local place = #heap + 1
  heap[place] = value
  while place > 1 do
    local above = math.floor(place / 2)
    if heap[above] <= value then break end
    heap[place], heap[above] = heap[above], value
    place = above
  end
end

local function pop(heap)
  local least, last = heap[1], table.remove(heap)
  if #heap == 0 then return least end
  local place, count = 1, #heap
  while true do
    local below = 2 * place
    if below > count then break end
    if below < count and heap[below + 1] < heap[below] then below = below + 1 end
    if last <= heap[below] then break end
    heap[place] = heap[below]
    place = below
  end
  heap[place] = last
  return least
end

-- Those of the jobs that have to start at another time than they would. `jobs` come in order of submission.
local function schedule(jobs, capacity, now)
  local waits, free, changed = {}, {}, {}
  for slot = 1, math.min(capacity, #jobs) do free[slot] = now end
  for _, job in ipairs(jobs) do
    if phase_of(job, now) == QUEUED then
      waits[#waits + 1] = job
    else
      sift(free, job.ends or math.huge)
      pop(free)
    end
  end
  for _, job in ipairs(waits) do
    if job.queue_time then
      local earliest = job.submitted + job.queue_time
      local starts = math.max(pop(free), earliest)
      local held = starts ~= math.huge and starts - earliest or nil
      sift(free, starts + (job.run_time or math.huge))
      if held ~= job.held then
        job.held = held
        changed[#changed + 1] = job
      end
    end
  end
  return changed
end
