-- Sends the requests of a file, one after another. A line is METHOD <tab> path <tab> header: value <tab> … <tab><tab> body
--   FILE again                   over and over, until the time is up
--   FILE once [ANSWERS] [RATE]   each exactly once, then the run ends; "status body" of each answer goes to ANSWERS (- for none);
--                                RATE a second, evenly, as far as a connection is free
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } instant;
  int clock_gettime(int, instant *);
  int kill(int, int);
  int getpid(void);
]]
local SIGINT, PARKED = 2, 3600000
local instant = ffi.new("instant")
local requests, index, given, answered, verified = {}, 0, 0, 0, false

local function milliseconds()
  ffi.C.clock_gettime(1, instant)
  return tonumber(instant.seconds) * 1000 + tonumber(instant.nanoseconds) / 1e6
end

-- Globals, since done, which runs in a state of its own, can read those alone.
started, ended, late = 0, 0, 0

local main
function setup(thread) main = thread end

local function each_once(answers, rate)
  local interval, due = rate and 1000 / rate, nil
  -- wrk asks for the pause before each request. A connection for which none is left pauses for good.
  delay = function()
    given = given + 1
    if given > #requests then return PARKED end
    if not interval then return 0 end
    local now = milliseconds()
    due = due and due + interval or now
    if due < now - 20 then late = late + 1 end -- no connection was free at its moment
    return math.max(0, math.floor(due - now + 0.5))
  end
  response = function(status, _, body)
    if answers then answers:write(status, " ", body, "\n") end
    answered = answered + 1
    ended = milliseconds()
    if answered == #requests then ffi.C.kill(ffi.C.getpid(), SIGINT) end -- wakes wrk, which sleeps until its time is up
  end
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    local head, body = line:match("^(.-)\t\t(.*)$")
    head = head or line
    local parts = {}
    for part in head:gmatch("[^\t]+") do parts[#parts + 1] = part end
    local headers = { Host = wrk.headers["Host"] }
    for i = 3, #parts do
      local name, value = parts[i]:match("^(.-): (.*)$")
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format(parts[1], parts[2], headers, body)
  end
  if arguments[2] == "once" then
    local file = arguments[3] and arguments[3] ~= "-" and assert(io.open(arguments[3], "w"))
    each_once(file, tonumber(arguments[4]))
  end
end

function request()
  if not verified then -- wrk looks at one before it starts
    verified = true
    return requests[1]
  end
  if index == 0 then started = milliseconds() end
  index = index % #requests + 1
  return requests[index]
end

-- One line for the program that reads the output: requests, refused, failed connections, times in µs, late ones.
function done(summary, latency)
  local duration = summary.duration
  if main:get("ended") > 0 then duration = 1000 * (main:get("ended") - main:get("started")) end
  io.write(string.format("\nMEASURED %d %d %d %d %d %d %d %d\n", summary.requests, duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), main:get("late")))
end
